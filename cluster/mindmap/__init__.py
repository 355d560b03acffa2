"""From captured pages to a mind map: pure Python and NumPy, without network, clock or randomness.

Every result depends on its arguments alone: not on their order, on the number of workers or threads, or on hash seeds.
Imports between the folders run one way, from the last to the first:

- `text`: words, stems and languages;
- `pages`: what one page contributes (`page_features`);
- `clustering`: pages grouped into topics;
- `outline`: topics with labels, descriptions and evidence (`build_outline`);
- `document`: the map document with layouts and scorecard (`compose_document`);
- `render` (images and exports) and `live` (maps that grow while a session is recorded);
- `evaluation`: scores against sessions with known topics.

`cluster.mindmap.build.build_map` runs all steps in this process.
"""
