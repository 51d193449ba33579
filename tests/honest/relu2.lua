return { what = "squared ReLU", weights = "own", edits = { { "self.fc(x, self.activation)", "self.fc(x, \"relu2\")" } } }
