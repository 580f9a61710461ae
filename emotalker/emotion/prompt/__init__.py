"""A prompt is cut into passages with times and facial actions, and becomes an emotion track."""

from .reading import SECONDS, PromptReading, read_prompt

__all__ = ["SECONDS", "PromptReading", "read_prompt"]
