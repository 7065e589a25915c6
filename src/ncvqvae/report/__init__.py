"""Pictures and pages of a run, from plain arrays.

- `content`: what a report shows; knows no model
- `style`, `projections`: colours and dashes of classes; planes (PCA, t-SNE) of embeddings and series
- `figures`: one function a matplotlib figure, and `save_figures`
- `verdict`: copies, collapsed, unlike the real data, or fine
- `payload`: the data that a page embeds
- `page`: `write_report` and `write_comparison`, each one self-contained HTML file
"""
