"""Whether cameras look as they did: histograms in the tables of a store, compared, and said in words."""
