"""What the embeddings say beside the lists: similar products, similar users, a ranking for everyone, discovery.

What belongs here: cores of phase 2B and of the look ahead before a publish. What does not: the model (model/), lists
(scoring/), assets.
"""
