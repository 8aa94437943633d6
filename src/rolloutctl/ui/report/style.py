"""How a report looks: light and dark, printable, 4.5 to 1 at least (WCAG 2.2); data."""

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2128;--dim:#5a6472;--line:#d9dee5;--soft:#f4f6f9;
--good:#136c3a;--bad:#b3261e;--wait:#8a5800;--seen:#1857c9;--area:#1857c922;--other:#7a3fb0}
@media(prefers-color-scheme:dark){:root{--bg:#12161c;--fg:#e6eaf0;--dim:#9aa6b5;--line:#303944;
--soft:#1a2029;--good:#5fd38d;--bad:#ff8a80;--wait:#f2c14e;--seen:#7fb0ff;--area:#7fb0ff26;
--other:#cda4ff}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:62rem;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.1rem;margin:2.5rem 0 .5rem;
border-bottom:1px solid var(--line);padding-bottom:.25rem}h3{font-size:1rem;margin:1.25rem 0 .25rem}
p{margin:.25rem 0}.dim{color:var(--dim)}.outcome{margin:1rem 0;padding:.75rem 1rem;
border-left:5px solid;background:var(--soft);border-radius:0 6px 6px 0;font-size:1.05rem}
.good{color:var(--good)}.bad{color:var(--bad)}.wait{color:var(--wait)}
.outcome span{color:var(--fg)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.5rem 0}
dt{color:var(--dim)}dd{margin:0}
code,pre,.num{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.88em}
pre{background:var(--soft);padding:.75rem;overflow-x:auto;border-radius:6px}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;
border-bottom:1px solid var(--line)}th{color:var(--dim);font-weight:600}
th,td{overflow-wrap:break-word}td.text{overflow-wrap:anywhere;min-width:12rem}
td.num,th.num,.nowrap{white-space:nowrap;overflow-wrap:normal}
td.who{min-width:5rem}caption{text-align:left;color:var(--dim);padding:.25rem 0}
tr.inner td.text{padding-left:1.25rem}table.facts{width:auto;min-width:50%}
.facts th[scope=row]{color:var(--fg);font-weight:400}
summary{cursor:pointer;color:var(--dim)}
svg{width:100%;min-width:36rem;height:auto;display:block;margin:.25rem 0}
svg text{font:11px system-ui,sans-serif;fill:var(--fg)}svg .tick{fill:var(--dim)}
svg .grid{stroke:var(--line)}svg .step{stroke:var(--dim);stroke-dasharray:1 3}
svg .area{fill:var(--area)}svg .seen{fill:none;stroke:var(--seen);stroke-width:2.5}
svg .intended{fill:none;stroke:var(--fg);stroke-width:1.2;stroke-dasharray:6 4}
svg .shadow{fill:none;stroke:var(--other);stroke-width:2;stroke-dasharray:1.5 3.5;
stroke-linecap:round}
svg .band{opacity:.16}svg .band.wait{fill:var(--wait)}svg .band.back{fill:var(--bad)}
svg .label.wait{fill:var(--wait)}svg .label.back{fill:var(--bad)}
svg .dot{fill:var(--seen)}svg .ring{fill:none;stroke:var(--good);stroke-width:2}
svg .failing{fill:var(--bad);opacity:.07}svg .limit{stroke:var(--bad);stroke-dasharray:7 4}
svg .path{fill:none;stroke:var(--dim);stroke-width:1.2}
svg .pass{fill:var(--good)}svg .fail{stroke:var(--bad);stroke-width:2.5;fill:none}
svg .open{fill:var(--bg);stroke:var(--wait);stroke-width:1.6}
.key{display:inline-block;width:1.6em;height:.7em;vertical-align:baseline;margin-right:.3em}
footer{margin-top:3rem;color:var(--dim);font-size:.9em}
@media print{body{max-width:none;padding:0}svg,tr{break-inside:avoid}h2,h3{break-after:avoid}
details::details-content{content-visibility:visible;height:auto}}
@media(max-width:40rem){body{padding:1rem .75rem}}
"""
