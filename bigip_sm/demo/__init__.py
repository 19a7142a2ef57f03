"""The main job from spec to a signed answer, in steps that verify themselves."""
