"""A Space as events: what happened, what that makes of it, and who may do what. Pure."""
