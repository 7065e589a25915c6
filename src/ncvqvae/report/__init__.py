"""Pictures and pages of a run, from plain arrays.

- `content`: what a report shows; knows no model
- `style`, `projections`: colours and dashes of classes; planes (PCA, t-SNE, UMAP) of embeddings and series
- `pictures`, `token_pictures`, `model_pictures`: one function a matplotlib Figure; `save_pictures`,
  `save_model_pictures` write them
- `verdict`: copies, collapsed, unlike the real data, or fine
- `page_data`, `comparison_data`: the data that the page of one run, and of several, embeds
- `page`: `write_report` and `write_comparison`, each one self-contained HTML file
"""
