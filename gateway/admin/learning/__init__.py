"""Endpoints for recordings, training data, outcomes, insights and evals."""
