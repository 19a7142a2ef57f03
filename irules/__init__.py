"""The iRule, as one Jinja2 template per pipeline stage, shipped as bigip_sm.irules."""
