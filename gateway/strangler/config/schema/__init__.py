"""What the YAML may contain: one pydantic section per subject, `configuration` is the whole.

`field_types` names the types of fields. The JSON Schema (`json_schema`) and the
reference (`reference`) are generated from these sections.
"""
