"""What the product's HTML pages share: the frame of a self-contained document, its look, text that is safe to show.

Lives here: the document (document), texts and tables (text), how numbers are written, in Markdown too (numbers), small
drawings (drawing), the style sheet (base.css). Not here: what any page says (core/pages/audit, core/pages/model).
"""
