"""The one tool that every SDK offers its model."""

TOOL = {"name": "weather", "description": "The weather in a city", "schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
