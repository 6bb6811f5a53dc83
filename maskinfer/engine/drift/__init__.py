"""How what a camera sees looks: histograms of its faces and pictures, and how far two of them differ."""
