"""What must hold across sections: names that exist, settings that depend on each other.

Start with `everything`; each other module checks one subject and reports
problems with their places in the YAML. `checked` is what they all look at.
"""
