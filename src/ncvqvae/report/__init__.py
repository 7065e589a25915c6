"""Pictures and pages of a run, from plain arrays.

- `content`: what a report shows; knows no model
- `style`: colours and dashes of classes
- `projections`: projections (PCA, t-SNE, UMAP) of embeddings and series to two dimensions
- `pictures`, `token_pictures`, `model_pictures`: functions that each draw one matplotlib Figure; `save_pictures` and
  `save_model_pictures` write them
- `plots`: single plots on Axes, `methods`: those of them that an estimator has
- `compose`, `history`: the content of a report from a model and its scores; the losses of its training
- `variety`, `rivals`: the spread of each class, and the cheap rivals of the generator, from the metrics
- `findings`, `verdict`: the checks with their reasons, and the answer: worth using, alike, varied, no copies?
- `page_data`, `comparison_data`: the data embedded in the page of one run, and in the page of several
- `page`: `write_report` and `write_comparison`, each one self-contained HTML file; `rivals_table` and
  `comparison_table` are tables on them

`assets` holds Plotly's cartesian bundle (1.5 MB, unchanged, MIT), since a page must work without a network.
"""
