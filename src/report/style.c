/* The style sheet of a report: light and dark, phone and desktop, screen and paper. Series colours differ in lightness as well as
 * in hue and lines also in their dashes, so that they can be told apart without colour. */
#include "report/page.h"

#define LIGHT \
    "--page:#f7f7f5;--card:#ffffff;--ink:#1c2128;--soft:#57606a;--line:#d5d9df;--grid:#e9ebee;" \
    "--s0:#1a66a8;--s1:#d0552b;--s2:#1d8a63;--s3:#9a5fb5;--s4:#b08400;--s5:#3f4a59;" \
    "--good:#1a7f4b;--warn:#9a6700;--bad:#c1272d;"
#define DARK \
    "--page:#14171c;--card:#1c2027;--ink:#e6e9ee;--soft:#a3acb8;--line:#3a414c;--grid:#2a3038;" \
    "--s0:#6cb0ee;--s1:#f28b5f;--s2:#56c79a;--s3:#c79be0;--s4:#e0b84a;--s5:#b6c0cd;" \
    "--good:#56c78a;--warn:#e0b04a;--bad:#ff7b78;"

const char weft_report_style[] =
    ":root{color-scheme:light dark;" LIGHT "}\n"
    "@media (prefers-color-scheme:dark){:root{" DARK "}}\n"
    "@media print{:root{color-scheme:light;" LIGHT "--page:#ffffff;}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,"
    "'Noto Sans',sans-serif;-webkit-text-size-adjust:100%}\n"
    "main{max-width:1080px;margin:0 auto;padding:24px 20px 48px}\n"
    "h1{font-size:1.75rem;line-height:1.2;margin:0 0 16px;overflow-wrap:anywhere}\n"
    "h2{font-size:1.25rem;margin:36px 0 12px;padding-top:12px;border-top:1px solid var(--line)}\n"
    "h3{font-size:1.05rem;margin:24px 0 8px}h4{font-size:.95rem;margin:16px 0 8px;color:var(--soft)}\n"
    "p{margin:8px 0;max-width:75ch;overflow-wrap:anywhere}\n"
    ".badges{display:flex;flex-wrap:wrap;gap:8px;margin:12px 0}\n"
    ".badge{display:inline-block;padding:1px 10px;border:1px solid currentColor;border-radius:999px;font-size:.85rem;"
    "font-weight:600;color:var(--soft);overflow-wrap:anywhere}\n"
    ".badge.good{color:var(--good)}.badge.warn{color:var(--warn)}.badge.bad{color:var(--bad)}\n"
    ".scroll{overflow-x:auto;margin:12px 0;background:var(--card);border:1px solid var(--line);border-radius:8px}\n"
    "table{border-collapse:collapse;width:100%;font-size:.9rem}\n"
    "caption{text-align:left;font-weight:600;padding:10px 12px 6px}\n"
    "th,td{text-align:left;padding:5px 12px;border-top:1px solid var(--grid);vertical-align:top;overflow-wrap:break-word}.pairs "
    "td{overflow-wrap:anywhere}td .badge{white-space:nowrap}\n"
    "thead th{color:var(--soft);font-weight:600;white-space:nowrap;border-top:0;border-bottom:1px solid var(--line)}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    ".pairs th{width:1%;min-width:9em;white-space:nowrap;color:var(--soft);font-weight:500}\n"
    ".figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:16px;margin:12px 0;"
    "align-items:start}\n"
    "figure{margin:0;padding:12px;background:var(--card);border:1px solid var(--line);border-radius:8px;min-width:0}"
    ".wide{grid-column:1/-1;overflow-x:auto}.wide svg{min-width:720px}\n"
    "figcaption{font-weight:600;margin:0 0 6px;overflow-wrap:anywhere}\n"
    ".note{font-size:.82rem;color:var(--soft);margin:6px 0 0}\n"
    "svg{display:block;width:100%;height:auto;font:11.5px system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif}\n"
    "svg text{fill:var(--soft)}svg .strong{fill:var(--ink)}svg .on{fill:var(--card)}svg "
    ".tag{paint-order:stroke;stroke:var(--card);stroke-width:4px;pointer-events:none}\n"
    ".end{text-anchor:end}.mid{text-anchor:middle}\n"
    ".grid{stroke:var(--grid);fill:none}.axis{stroke:var(--soft);fill:none}\n"
    ".rule{stroke:var(--soft);stroke-dasharray:5 4;fill:none}\n"
    ".line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}\n"
    ".l0{stroke:var(--s0)}.l1{stroke:var(--s1);stroke-dasharray:7 4}.l2{stroke:var(--s2);stroke-dasharray:2 4}\n"
    ".l3{stroke:var(--s3);stroke-dasharray:9 3 2 3}.l4{stroke:var(--s4);stroke-dasharray:12 4}"
    ".l5{stroke:var(--s5);stroke-dasharray:4 2}\n"
    ".f0{fill:var(--s0)}.f1{fill:var(--s1)}.f2{fill:var(--s2)}.f3{fill:var(--s3)}.f4{fill:var(--s4)}.f5{fill:var(--s5)}\n"
    ".hit{fill:transparent}.dot{fill:var(--s0);fill-opacity:.4}.bubble{fill:var(--s0);fill-opacity:.65}\n"
    ".cell{stroke:var(--card);stroke-width:1}\n"
    ".wide{grid-column:1/-1}.shaded{line-height:2;overflow-wrap:anywhere}.shaded span{padding:2px 1px;border-radius:3px}"
    ".shaded .made{border-bottom:2px solid var(--s1)}\n"
    "@media (max-width:600px){body{font-size:15px}main{padding:16px 12px 32px}h1{font-size:1.4rem}th,td{padding:5px 8px}"
    ".pairs th{min-width:0;white-space:normal;width:40%}}\n"
    "@media print{main{max-width:none;padding:0}figure,.scroll,tr{break-inside:avoid}h2,h3{break-after:avoid}"
    ".scroll{overflow:visible}body{font-size:11pt}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}\n";
