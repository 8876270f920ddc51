// The look of a report: light and dark, wide, on a phone and on paper. No font is loaded; numbers stand below each other.
export const style = `
:root { color-scheme: light dark; --paper: #fbfbfa; --card: #fff; --ink: #1a1c1f; --soft: #5d636b; --axis: #8a8f96; --hair: #e7e8ea; --edge: #e1e3e6; --accent: #0072b2; --fill: #eef1f4;
  --line-0: #0072b2; --line-1: #d55e00; --line-2: #009e73; --line-3: #e69f00; --line-4: #cc79a7; --line-5: #56b4e9; --line-6: #4a4f57 }
@media (prefers-color-scheme: dark) { :root { --paper: #121417; --card: #1a1d21; --ink: #e8eaed; --soft: #a0a7b0; --axis: #6d747d; --hair: #2a2e34; --edge: #2c3137; --accent: #5cb3ec; --fill: #23272d;
  --line-0: #3d9fe0; --line-1: #f0803c; --line-2: #23c295; --line-3: #f2b632; --line-4: #e39ac3; --line-5: #9bd8f8; --line-6: #b3bac3 } }
* { box-sizing: border-box }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100% }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 Inter, system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif; font-variant-numeric: tabular-nums }
main, header > div, footer { max-width: 1160px; margin: 0 auto; padding: 0 24px }
header { padding: 36px 0 0 }
h1 { margin: 0; font-size: 28px; line-height: 1.2; font-weight: 650; letter-spacing: -0.01em; overflow-wrap: anywhere }
h2 { margin: 44px 0 14px; font-size: 19px; font-weight: 650; letter-spacing: -0.005em; scroll-margin-top: 56px }
h3 { margin: 0; font-size: 14px; font-weight: 650; overflow-wrap: anywhere }
p { margin: 0 }
.soft { color: var(--soft) }
.facts { margin-top: 6px; color: var(--soft); overflow-wrap: anywhere }
.state { display: inline-block; margin-right: 10px; padding: 1px 11px 1px 9px; border-radius: 99px; background: var(--fill); color: var(--ink); font-size: 13px; font-weight: 600 }
.state::before { content: ''; display: inline-block; width: 8px; height: 8px; margin-right: 6px; border-radius: 50%; background: var(--line-3) }
.state.done::before { background: var(--line-2) }
nav { position: sticky; top: 0; z-index: 2; margin-top: 20px; background: var(--paper); border-bottom: 1px solid var(--edge) }
nav ul { display: flex; gap: 22px; max-width: 1160px; margin: 0 auto; padding: 0 24px; list-style: none; overflow-x: auto }
nav a { display: block; padding: 10px 0; color: var(--soft); text-decoration: none; white-space: nowrap; font-size: 14px }
nav a:hover { color: var(--accent) }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin-top: 24px }
.tile, .card { background: var(--card); border: 1px solid var(--edge); border-radius: 10px }
.tile { flex: 1 1 136px; max-width: 280px; padding: 12px 16px }
.tile dt { color: var(--soft); font-size: 13px; overflow-wrap: anywhere }
.tile dd { margin: 0; font-size: 21px; font-weight: 600; line-height: 1.35; letter-spacing: -0.01em; overflow-wrap: anywhere }
.tile dd small { font-size: 13px; font-weight: 400; color: var(--soft); letter-spacing: 0 }
dl { margin: 0 }
.notes { margin: 16px 0 0; padding: 10px 16px; list-style: none; border-left: 3px solid var(--line-3); background: var(--fill); border-radius: 0 8px 8px 0; overflow-wrap: anywhere }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 440px), 1fr)); gap: 16px }
/* Cards side by side share their rows: frames stand at one height, however long the legends are. */
.charts > .card { grid-row: span 3 }
.charts > .chart { display: grid; grid-template-rows: subgrid; row-gap: 0 }
figure { margin: 0 }
.card { padding: 16px 18px }
.chart p { margin-top: 4px; font-size: 13px }
.chart figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; align-content: start; gap: 2px 16px; margin-bottom: 10px }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; margin: 0; padding: 0; list-style: none; font-size: 13px; color: var(--soft) }
.legend b { font-weight: 600; color: var(--ink) }
.legend svg { width: 18px; height: 8px; margin-right: 5px }
.plot { position: relative; touch-action: pan-y }
.plot svg { display: block; width: 100%; height: auto; font-family: inherit; overflow: hidden }
.cursor { stroke: var(--soft); stroke-dasharray: 3 3; fill: none; pointer-events: none }
.tip { position: absolute; top: 8px; padding: 6px 10px; background: var(--card); border: 1px solid var(--edge); border-radius: 6px; box-shadow: 0 2px 10px #0003; font-size: 12.5px; white-space: nowrap; pointer-events: none }
.tip div + div { border-left: 3px solid; padding-left: 6px }
.tip[hidden] { display: none }
.images { display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start }
.images > * { min-width: 0 }
.images .card { flex: 0 1 auto; max-width: 100% }
.images .fill { flex: 1 1 320px }
img { display: block; max-width: 100%; height: auto; border-radius: 3px }
.images figcaption { margin-top: 8px; font-size: 13px; color: var(--soft) }
input[type=range] { display: block; width: 100%; margin: 10px 0 0; accent-color: var(--accent) }
.strip { margin-top: 10px; display: grid; grid-template-columns: repeat(auto-fill, minmax(116px, 1fr)); gap: 12px }
.strip + p { margin-top: 10px; font-size: 13px }
.strip figcaption { margin-top: 3px; font-size: 12px }
.strip img { width: 100% }
.live .strip figure { cursor: pointer }
.strip .shown img { outline: 2px solid var(--accent); outline-offset: 2px }
table { width: 100%; border-collapse: collapse; font-size: 14px }
caption { padding-bottom: 6px; text-align: left; font-weight: 650 }
th, td { padding: 4px 0; text-align: left; vertical-align: top; border-top: 1px solid var(--hair); font-weight: 400; overflow-wrap: anywhere }
th { width: 42%; padding-right: 16px; color: var(--soft) }
td.changed { font-weight: 650 }
td.changed small { font-weight: 400; color: var(--soft) }
.scroll { overflow-x: auto; margin: 8px 0 }
.numbers th, .numbers td { width: auto; padding: 4px 0 4px 16px; text-align: right; white-space: nowrap; overflow-wrap: normal; color: var(--ink) }
.numbers .text, .numbers th[scope=row], .numbers th[scope=colgroup] { text-align: left }
.numbers .first { padding-left: 36px }
.numbers tr > :first-child { padding-left: 0 }
.numbers thead th { color: var(--soft); font-size: 13px }
.numbers th[scope=colgroup] { color: var(--ink); font-weight: 650 }
section > .card + .card { margin-top: 16px }
.scroll + p, .card > p + p { margin-top: 4px }
.bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: 8px 12px; align-items: center; margin: 10px 0 12px; font-size: 14px }
.bars i { display: block; height: 14px; min-width: 2px; border-radius: 3px }
.bars b { font-weight: 600; text-align: right }
.empty { margin-top: 32px }
tr:first-child > * { border-top: 0 }
.card > .soft { font-size: 13px }
footer { padding-top: 40px; padding-bottom: 40px; color: var(--soft); font-size: 13px; overflow-wrap: anywhere }
@media (max-width: 600px) {
  main, header > div, footer, nav ul { padding-left: 16px; padding-right: 16px }
  header { padding-top: 24px }
  h1 { font-size: 23px }
  .card { padding: 12px }
  .tile { flex-basis: 40% }
  .plot text { font-size: 16px }
  .plot text[transform] { translate: -9px 0 }
  .strip { grid-template-columns: repeat(3, 1fr) }
}
@media print {
  :root { --paper: #fff; --edge: #ccc }
  nav, input[type=range] { display: none }
  .card, .tile, figure, tr { break-inside: avoid }
  h2 { break-after: avoid }
  .grid { grid-template-columns: 1fr 1fr }
  body { font-size: 12px }
}
`
