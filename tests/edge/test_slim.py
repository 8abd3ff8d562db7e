"""What a page's style and script lose on their way into it, and what they keep."""

from stentor.edge.slim import slim_script, slim_style


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
