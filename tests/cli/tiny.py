"""The lines that the tests learn from, and options that make learning quick."""

LINES = ["hello world", "hello there", "how are you", "how is it", "who is there"]
TINY = {
    "markov": ["--order", "2"],
    "hmm": ["--states", "2", "--iterations", "2"],
    "window": ["--width", "2", "--units", "4", "--epochs", "1"],
    "rnn": ["--units", "4", "--epochs", "1"],
    "gru": ["--units", "4", "--epochs", "1"],
    "lstm": ["--units", "4", "--epochs", "1"],
}
