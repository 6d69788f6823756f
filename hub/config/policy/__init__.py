"""Policies in YAML: written (pydantic) -> layers (extends, branches) -> build (-> policies.model.policy); checks."""
