"""The orders service: event-sourced orders, and the saga that takes each through stock and payment."""
