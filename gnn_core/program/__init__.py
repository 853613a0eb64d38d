"""The weekly loop as functions, without an orchestrator: what assets and benchmarks both call."""
