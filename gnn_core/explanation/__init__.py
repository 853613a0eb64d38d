"""Why a product stands in a list, told as a path of edges that exist in the graph; never as a cause.

What belongs here: which paths a listed product has, which of them its reason tells, and in which words.
What does not: scores (model, scoring), columns (scoring/rows.py), the rule that asks the warehouse (sql/audit).
"""
