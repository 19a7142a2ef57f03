"""From the spec to the declaration, the iRule text and the data groups."""
