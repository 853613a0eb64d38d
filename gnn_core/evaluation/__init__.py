"""How good every model is, how sure we are, what gate 1 says, and the report that shows it."""
