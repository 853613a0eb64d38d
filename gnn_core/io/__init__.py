"""The only room that touches the outside: warehouses, SQL files, artifact storage."""
