"""Write, audit, publish, roll back: the only way into the table that the e-mail system reads."""
