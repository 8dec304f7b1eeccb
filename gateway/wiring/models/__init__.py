"""Models of the configuration: providers, encoders and transcribers."""
