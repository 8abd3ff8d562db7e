"""The style of the incident's page: the colours of the house, and of causes and outcomes."""

STYLE = """
:root { color-scheme: light dark;
  --ground: #f2f4f1; --sheet: #fff; --ink: #14201e; --soft: #53615d; --line: #cfd6d1;
  --accent: #7b5000; --good: #1d6b45; --bad: #a3301f;
  --crowd: #2b6c99; --attack: #b2452f; --fault: #c08a12; --undecided: #a9b4af;
  --admitted: #2f7d5b; --placed: #6aa6cf; --challenged: #9a86c4; --client: #a9b4af;
  --display: "Iowan Old Style", "Palatino Linotype", Palatino, P052, "Noto Serif", Georgia, serif;
  --text: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Nimbus Sans", sans-serif; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #0c1413; --sheet: #14201e; --ink: #edf2ef; --soft: #a4b3ae; --line: #2c3b38;
  --accent: #f5c058; --good: #6fcf9f; --bad: #ff9a86;
  --crowd: #6db1e0; --attack: #ec7a60; --fault: #e8b64c; --undecided: #5d6b67;
  --admitted: #58b98b; --placed: #8cc3ea; --challenged: #b9a6e6; --client: #5d6b67; } }
*, ::before, ::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.55 var(--text);
  overflow-wrap: break-word; }
body > header, main { width: 100%; max-width: 60rem; margin-inline: auto;
  padding-inline: clamp(1rem, 4vw, 3rem); }
body > header { padding-block: .75rem; }
body > header a { display: inline-flex; align-items: center; min-height: 44px; }
main { padding-bottom: 4rem; }
a { color: var(--accent); text-underline-offset: .18em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
h1, h2, h3, .says { font-family: var(--display); font-weight: 600; line-height: 1.15;
  letter-spacing: -.012em; text-wrap: balance; margin: 0; }
h1 { font-size: clamp(2rem, 1.35rem + 3.1vw, 3.25rem); }
h2 { font-size: 1.5rem; margin-bottom: .5rem; }
h3 { font-size: 1.1875rem; }
p { margin: 0 0 1em; max-width: 42rem; text-wrap: pretty; }
section { margin-top: 3rem; }
.over { margin: 1rem 0 .25rem; color: var(--soft); }
.meta { color: var(--soft); font-size: .9375rem; }
.lead { margin-top: 1.5rem; padding-block: 1.5rem; border-block: 1px solid var(--line); }
.lead p:last-child { margin: 0; }
.says { font-size: clamp(1.375rem, 1.1rem + 1.3vw, 1.875rem); margin-bottom: 1.25rem;
  max-width: none; }
.shares { display: block; width: 100%; height: 2.25rem; border-radius: .375rem; }
.shares rect { stroke: var(--ground); stroke-width: 2; vector-effect: non-scaling-stroke; }
.keys { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .75rem 0; padding: 0;
  list-style: none; font-size: .9375rem; }
.keys.big { font-size: 1.0625rem; margin-block: .875rem 1.125rem; }
.keys i, h3 i { display: inline-block; width: .875rem; height: .875rem; margin-right: .45rem;
  border-radius: .2rem; background: var(--c); vertical-align: -.08em; }
.keys i.line { height: 0; border-top: 3px solid var(--c); background: none; border-radius: 0;
  vertical-align: .22em; width: 1.25rem; }
.keys i.dash { border-top-style: dashed; border-top-width: 2px; }
.c-crowd { --c: var(--crowd); } .c-attack { --c: var(--attack); } .c-fault { --c: var(--fault); }
.c-undecided { --c: var(--undecided); } .ink { --c: var(--ink); }
.o-admitted { --c: var(--admitted); } .o-placed { --c: var(--placed); }
.o-waiting { --c: var(--attack); }
.o-challenged { --c: var(--challenged); } .o-refused { --c: var(--fault); }
.o-failed { --c: var(--attack); } .o-client { --c: var(--client); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .5rem; font-size: .875rem; }
th, td { padding: .5rem .75rem .5rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); font-weight: 400; }
td { text-align: right; white-space: nowrap; padding-right: 0; padding-left: .75rem; }
thead th { color: var(--soft); font-size: .875rem; }
thead th:not(:first-child) { text-align: right; padding: .5rem 0 .5rem .75rem; }
.wide { overflow-x: auto; }
.kept, .broken { font-weight: 600; }
.kept { color: var(--good); } .broken { color: var(--bad); }
.kept::before { content: "\\2713\\00a0"; } .broken::before { content: "\\2717\\00a0"; }
figure { margin: 2rem 0 0; padding-top: 1.5rem; border-top: 1px solid var(--line); }
figcaption p { margin: .25rem 0 0; color: var(--soft); }
.plot { display: grid; grid-template-columns: auto 1fr; gap: .25rem .625rem; font-size: .8125rem;
  color: var(--soft); font-variant-numeric: tabular-nums; }
.ys { display: flex; flex-direction: column; justify-content: space-between; text-align: right;
  margin-block: -.65em; }
.field { height: clamp(9rem, 24vw, 13rem); }
.field svg { display: block; width: 100%; height: 100%; overflow: visible; }
.xs { grid-column: 2; display: flex; justify-content: space-between; margin-inline: -1.1rem 0; }
path { vector-effect: non-scaling-stroke; fill: none; }
path.grid { stroke: var(--line); }
path.start { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 2 4; }
path.line { stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
path.dash { stroke-width: 1.5; stroke-dasharray: 6 4; }
path.area { fill: var(--c); }
details { margin-top: .5rem; }
summary { min-height: 44px; display: inline-flex; align-items: center; color: var(--accent);
  cursor: pointer; }
summary::before { content: "+"; width: 1.25rem; font-weight: 600; }
details[open] summary::before { content: "\\2212"; }
.causes { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr));
  gap: 2rem; }
.cause ul { margin: .75rem 0 0; padding: 0; list-style: none; }
.cause li { padding: .75rem 0; border-top: 1px solid var(--line); }
.cause li p { margin: 0; }
.cause .meta { font-size: .8125rem; margin-top: .25rem; }
.cause details li p:first-child { color: var(--soft); }
.bar { display: inline-block; width: 4.5rem; height: .5rem; margin-right: .25rem;
  border-radius: .25rem; vertical-align: .05em; }
rect { fill: var(--c); } rect.grid { fill: var(--line); }
code { font: .875em ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
section > ul { padding-left: 1.25rem; max-width: 42rem; }
section > ul li { margin-bottom: .5rem; }
"""
