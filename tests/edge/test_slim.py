"""What a page's style and script lose on their way into it, and what they keep."""

from stentor.edge.slim import slim_page, slim_script, slim_style, with_short_declarations


def test_what_stands_in_quotes_stays_as_it_is() -> None:
    module = """/** About it. */
import { x } from "./x.js";
export const a = ["x ( y )", '"  = ', `${ b } : \\` `, c - -d, e + f, g ? .5 : h / 2]; // why
  // and this is
  a.k += 1;
"""
    assert slim_script(module) == (
        """const a=["x ( y )",'"  = ',`${ b } : \\` `,c - -d,e+f,g?.5:h/2];a.k+=1;"""
    )
    sheet = (
        'p::before , a > b { content: "a ; b" !important; margin: 0 -1px }\n/* c */\np { x: y; }'
    )
    assert slim_style(sheet) == ('p::before,a>b{content:"a ; b"!important;margin:0 -1px}p{x:y}')


def test_private_names_become_letters() -> None:
    module = """class C {
  #long = "#long"; #other;
  get #sum() { return `#long ${this.#long + this.#other}`; }
  has(c) { return #long in c && !c.#sum && this.#sum; }
}
"""
    assert (
        slim_script(module)
        == """class C{#a="#long";#c;get #b(){return `#long ${this.#a + this.#c}`;}
has(c){return #a in c&&!c.#b&&this.#b;}
}"""
    )


def test_what_modules_declare_gets_short_names_where_it_is_code() -> None:
    script = """const PART_S=.2;const RATE=3;f("PART_S",`${PART_S}`,RATE*PART_S,x.RATE,...RATE);"""
    assert with_short_declarations(script) == (
        """let _a=.2;let _b=3;f("PART_S",`${_a}`,_b*_a,x.RATE,..._b);"""
    )
    taken = with_short_declarations(f"{script}let _a;")
    assert taken.startswith("let _b=.2;let _c=3;")


def test_a_name_that_may_be_a_property_s_stays() -> None:
    script = "function reading(){}class Reader{}function open(){}x.open();f({reading},Reader);"
    assert with_short_declarations(script) == (
        "function reading(){}class _a{}function open(){}x.open();f({reading},_a);"
    )


def test_a_document_loses_quotes_and_breaks_between_its_tags() -> None:
    page = """<p id="a" class="b c" hidden>"x" <a href="/s">\n</a>
<svg width="4"/></p>
<script type="application/json" id="card">
"""
    assert slim_page(page) == (
        """<p id=a class="b c" hidden>"x" <a href="/s"></a><svg width="4"/></p>"""
        """<script type="application/json" id="card">\n"""
    )


def test_the_same_in_fewer_letters() -> None:
    script = 'const a=true?0.5:10.05;f(1_000,"true 0.5",x.true,{false:1},a===false);'
    assert with_short_declarations(script) == (
        'let a=!0?.5:10.05;f(1000,"true 0.5",x.true,{false:1},a===!1);'
    )
