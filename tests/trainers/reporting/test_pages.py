"""The HTML page: what it holds, and that text stays text."""

import base64

from trainers.reporting import pages

ODD = "<script>alert('x')</script> & \"y\""


def test_everything_shown_is_escaped(tmp_path):
    """Each place where text of a user or of a data set can stand."""
    table = pages.Table([ODD, ODD], [[ODD, f"{ODD} [{ODD}]"]], ODD)
    figure = tmp_path / "a.png"
    figure.write_bytes(b"png")
    part = pages.PageSection(
        ODD, ODD, ODD, [ODD], [(figure, ODD)], [table, pages.Table([ODD], [])], [ODD]
    )
    text = pages.page(ODD, ODD, [part])
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &#34;y&#34;") == 18
    assert f'src="data:image/png;base64,{base64.b64encode(b"png").decode()}"' in text


def test_an_interval_is_greyed_and_a_titled_table_folded():
    table = pages.Table(["", "value"], [["accuracy", "60.0 [57.0, 63.0]"]])
    folded = pages.Table(["", "value"], [["recall", "–"]], "Per class")
    text = pages.page("t", "a", [pages.PageSection("k", "T", "x", tables=[table, folded])])
    assert "<td>accuracy</td><td>60.0 <span>[57.0, 63.0]</span></td>" in text
    assert text.count("<details>") == 1
    assert "<summary>Per class</summary>" in text
    assert '<nav><a href="#k">T</a> </nav>' in text
    assert '<section id="k">\n<h2>T</h2>\n<p class="text">x</p>\n<div class="table">' in text


def test_lists_without_items_are_left_out():
    text = pages.page("t", "a", [pages.PageSection("k", "T", "x")])
    assert "<ul" not in text
    text = pages.page("t", "a", [pages.PageSection("k", "T", "x", lines=["one"], notes=["two"])])
    assert '<ul class="lines">\n<li>one</li>\n</ul>' in text
    assert '<ul class="notes">\n<li>two</li>\n</ul>' in text
