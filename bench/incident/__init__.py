"""`make drill CASE=G1`: does the report of an incident lead to what really happened?"""
