"""Looking inside a neural network: DeepLIFT and layer-wise relevance propagation; needs torch."""
