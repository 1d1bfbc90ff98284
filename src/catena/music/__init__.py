"""Music as sequences: pieces of notes, as frames, as events, and as pictures."""
