"""`make drill`: what is done to a node, case by case, and the promise each case is held to."""
