"""The linear chain: sums and maxima over all paths of labels, and the kernels that compute them."""
