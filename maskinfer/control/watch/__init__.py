"""Looking at cameras: their pictures, visits, recordings and figures; what happens goes to a keeper."""
