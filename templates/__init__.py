"""Jinja2 templates of AS3 classes, shipped as bigip_sm.templates."""
