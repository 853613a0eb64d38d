"""Checks, by the stem of the assets they judge. One check is one sentence that is true when green.

Contract and audit checks block; gates are checks too, but they inform: what follows is decided by `promoted_model`.
"""
