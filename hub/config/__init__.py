"""The configuration directory: raw (pydantic) -> load (YAML with marks) -> resolve (-> Intent) -> allocate."""
