// Colours are pairs for light and dark; the script only moves titles into one tip and switches the scheme.
#include "report/html_report_style.h"

namespace quern {

const char* const kReportStyle = R"css(
:root { color-scheme: light dark;
  --paper: light-dark(#ffffff, #14171b); --panel: light-dark(#f6f7f8, #1c2026); --ink: light-dark(#1b1f24, #e6e9ec);
  --soft: light-dark(#5a636d, #9ba5af); --rule: light-dark(#dfe3e7, #313840); --accent: light-dark(#1f5fa8, #7fb3ee);
  --bad: light-dark(#b3261e, #f2938c); --good: light-dark(#1c6b45, #79cfa4);
  --bits-low: light-dark(#f1f6fc, #1b222b); --bits-high: light-dark(#86b6ea, #215f9e);
  --heat-low: light-dark(#fdf6ec, #231f1b); --heat-high: light-dark(#f2a25e, #97490f);
  --k0: light-dark(#2f66b0, #7fb0f2); --k1: light-dark(#cb5f22, #f3a569); --k2: light-dark(#23855f, #6fcaa4);
  --k3: light-dark(#b23a78, #ef93c0); --k4: light-dark(#6f4fb5, #bba4f3); --k5: light-dark(#94700a, #e2c258);
  --k6: light-dark(#12808f, #66cddd); --k7: light-dark(#84553a, #d3ab90); --k8: light-dark(#bb3434, #f29292);
  --k9: light-dark(#566270, #aab6c4); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main, header, footer { max-width: 1060px; margin: 0 auto; padding: 0 28px; }
header { padding-top: 40px; }
.top { display: flex; align-items: flex-start; justify-content: space-between; gap: 16px; }
h1 { font-size: 2.3rem; line-height: 1.15; letter-spacing: -.02em; margin: .2em 0 .3em; font-weight: 650; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; letter-spacing: -.01em; margin: 0 0 .3em; font-weight: 620; }
section { margin: 56px 0 0; }
p { margin: .3em 0 1em; max-width: 46em; }
.eyebrow { color: var(--soft); font-size: .86rem; margin: 4px 0 0; min-width: 0; overflow-wrap: anywhere; }
.lead { font-size: 1.12rem; color: var(--soft); max-width: none; }
.lead b { color: var(--ink); font-weight: 600; }
.intro, .small, figcaption, .legend { color: var(--soft); font-size: .9rem; }
figcaption { margin-top: 6px; max-width: 52em; }
.lead, .verdict, figcaption, .legend, .intro { overflow-wrap: anywhere; }
.verdict { border-left: 4px solid; padding: 8px 14px; background: var(--panel); border-radius: 0 6px 6px 0; max-width: none; }
.verdict.met { border-color: var(--good); } .verdict.missed { border-color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(178px, 100%), 1fr)); gap: 14px; margin: 28px 0 0; padding: 0; }
.tiles div { background: var(--panel); border-radius: 10px; padding: 16px 18px 14px; }
.tiles dt { color: var(--soft); font-size: .86rem; }
.tiles dd { margin: 0; font-size: .86rem; overflow-wrap: anywhere; color: var(--soft); font-variant-numeric: tabular-nums; }
.tiles dd:first-of-type { font-size: 1.75rem; line-height: 1.3; font-weight: 620; color: var(--ink); letter-spacing: -.02em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
.figures { width: 100%; margin: 10px 0; }
.figures th, .figures td { text-align: right; padding: 7px 0 7px 18px; border-bottom: 1px solid var(--rule); font-weight: 400; white-space: nowrap; }
.figures thead th { color: var(--soft); font-size: .84rem; }
.figures th:first-child { text-align: left; padding-left: 0; }
.list th { white-space: normal; vertical-align: top; } .list td { vertical-align: top; } .list tbody th { overflow-wrap: anywhere; min-width: 12em; }
.list td:nth-child(2), .list td:nth-child(3), .list th:nth-child(2), .list th:nth-child(3) { text-align: left; }
.list { font-size: .84rem; } .list small { color: var(--soft); }
.shares { max-width: 640px; }
.bar { display: inline-block; width: 110px; height: 8px; margin-right: 10px; border-radius: 4px; background: linear-gradient(to right, var(--k0) var(--w), var(--rule) var(--w)); }
figure { margin: 12px 0 0; }
.chart { width: 100%; height: auto; display: block; font-size: 13px; }
.chart text { fill: var(--soft); } .chart .callout { fill: var(--ink); font-weight: 600; paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
.chart path { fill: none; } .chart .band { fill: var(--panel); } .chart .grid { stroke: var(--rule); } .chart .base, .chart .stub { stroke: var(--soft); }
.line-main { stroke: var(--k9); stroke-width: 1.6; } .line-guide { stroke: var(--k0); stroke-dasharray: 2 4; } .line-bound { stroke: var(--bad); stroke-dasharray: 6 4; stroke-width: 1.5; }
svg .mark { fill: var(--k); stroke: var(--paper); stroke-width: .22; } .chart .mark:hover { stroke: var(--ink); }
.k0 { --k: var(--k0); } .k1 { --k: var(--k1); } .k2 { --k: var(--k2); } .k3 { --k: var(--k3); } .k4 { --k: var(--k4); }
.k5 { --k: var(--k5); } .k6 { --k: var(--k6); } .k7 { --k: var(--k7); } .k8 { --k: var(--k8); } .k9 { --k: var(--k9); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 20px; padding: 0; margin: 10px 0 0; }
.key { width: 14px; height: 14px; margin-right: 7px; vertical-align: -2px; }
.map { width: 100%; border-collapse: separate; border-spacing: 2px; font-size: .84rem; }
.map th { font-weight: 400; color: var(--soft); padding: 3px 8px; white-space: nowrap; } .map tbody th { text-align: right; width: 1%; }
.map td { text-align: center; padding: 7px 6px; border-radius: 4px; white-space: nowrap; }
.map small { margin-left: 3px; } .dense td, .dense th { padding-block: 1px; font-size: .78rem; }
.bits td { background: color-mix(in oklab, var(--bits-high) calc(var(--v) * 100%), var(--bits-low)); }
.heat td { background: color-mix(in oklab, var(--heat-high) calc(var(--v) * 100%), var(--heat-low)); }
.map tbody th { position: sticky; left: 0; background: var(--paper); }
.map td.none { background: none; color: var(--soft); } .map td[data-tip]:hover { outline: 2px solid var(--ink); outline-offset: -1px; }
.ramp { display: inline-block; width: 70px; height: 10px; border-radius: 3px; vertical-align: -1px; }
.ramp.bits { background: linear-gradient(to right, var(--bits-low), var(--bits-high)); }
.ramp.heat { background: linear-gradient(to right, var(--heat-low), var(--heat-high)); }
summary { cursor: pointer; color: var(--accent); } .notes li { margin: .3em 0; overflow-wrap: anywhere; max-width: 58em; }
.made { display: grid; grid-template-columns: max-content 1fr; gap: 5px 22px; font-size: .88rem; margin: 8px 0 0; }
.made dt { color: var(--soft); } .made dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 56px; padding-bottom: 40px; color: var(--soft); font-size: .86rem; }
#scheme { flex: none; font: inherit; font-size: .84rem; color: var(--soft); background: none; border: 1px solid var(--rule); border-radius: 7px; padding: 4px 12px; cursor: pointer; }
#tip { position: fixed; z-index: 2; pointer-events: none; white-space: pre-line; max-width: 24em; overflow-wrap: anywhere; background: var(--ink); color: var(--paper); font-size: .82rem; line-height: 1.45; padding: 7px 11px; border-radius: 7px; }
[hidden] { display: none !important; }
@media (max-width: 660px) { main, header, footer { padding-inline: 16px; } header { padding-top: 24px; } h1 { font-size: 1.7rem; } section { margin-top: 44px; }
  .made { grid-template-columns: 1fr; gap: 0; } .made dd { margin-bottom: 8px; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 10px; } .tiles div { padding: 12px 12px 10px; } .tiles dd:first-of-type { font-size: 1.35rem; }
  .figures thead { display: none; } .figures tbody { display: block; }
  .figures tr { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1.36fr) minmax(0, 1fr); gap: 4px 10px; align-items: start; padding: 9px 0; border-bottom: 1px solid var(--rule); }
  .figures tbody th, .figures tbody td { border: 0; padding: 0; text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 0; } .figures tbody td { font-size: .86rem; }
  .shares tr { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr) minmax(0, 1.5fr) minmax(0, 1.2fr); }
  .figures tbody th { grid-column: 1 / -1; font-weight: 600; } .figures td:empty { display: none; } .ladder tbody th::before { content: "trial "; }
  .figures td::before { content: attr(data-title); display: block; color: var(--soft); font-size: .78rem; } .bar { display: none; } }
@media print { :root { color-scheme: light !important; } body { font-size: 11pt; } main, header, footer { padding-inline: 0; }
  #scheme, #tip, section:has(> details:not([open])), summary { display: none; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .scroll { overflow: visible; } .chart { min-width: 0 !important; } section { margin-top: 28px; } figure, tr, .tiles div { break-inside: avoid; } h2, .intro { break-after: avoid; }
  .figures th, .figures td:not(.list td) { white-space: normal; } .map td, .map thead th:not(:first-child) { white-space: normal; } .map { font-size: .7rem; border-spacing: 1px; } .map th, .map td { padding: 2px; }
  .chain { font-size: .7rem; } .chain th, .chain td { padding: 2px 0 2px 6px; }
  .list { font-size: .7rem; } .list th, .list td { padding: 2px 0 2px 6px; } .list tbody th { min-width: 0; } }
)css";

const char* const kReportScript = R"js(
(() => {
  const root = document.documentElement, tip = document.getElementById('tip'), button = document.getElementById('scheme');
  for (const title of document.querySelectorAll('.mark > title')) { title.parentNode.dataset.tip = title.textContent; title.remove(); }
  for (const cell of document.querySelectorAll('td[title]')) { cell.dataset.tip = cell.title; cell.removeAttribute('title'); }
  document.addEventListener('pointermove', e => {
    const on = e.target.closest && e.target.closest('[data-tip]');
    tip.hidden = !on;
    if (!on) return;
    tip.textContent = on.dataset.tip;
    tip.style.left = Math.max(8, Math.min(e.clientX + 14, innerWidth - tip.offsetWidth - 8)) + 'px';
    tip.style.top = (e.clientY + tip.offsetHeight + 26 < innerHeight ? e.clientY + 16 : e.clientY - tip.offsetHeight - 12) + 'px';
  });
  let dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const show = () => { button.textContent = dark ? 'Light' : 'Dark'; };
  button.onclick = () => { dark = !dark; root.style.colorScheme = dark ? 'dark' : 'light'; show(); };
  button.hidden = false;
  show();
})();
)js";

}  // namespace quern
