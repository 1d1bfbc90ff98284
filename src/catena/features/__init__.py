"""What a feature-based tagger knows of each step: attributes, templates and state features."""
