// What is wrong with the page as it is laid out now: a list of sentences. Run in the page.
(() => {
  const problems = [], wide = document.documentElement.clientWidth, slack = 1;  // pixels
  const texts = [];  // {node, rects, shown}: every piece of text that is drawn

  const words = node => JSON.stringify(node.textContent.trim().replace(/\s+/g, ' ').slice(0, 40));
  const cut = (a, b) => ({left: Math.max(a.left, b.left), right: Math.min(a.right, b.right),
                          top: Math.max(a.top, b.top), bottom: Math.min(a.bottom, b.bottom)});
  const scrolls = element => /auto|scroll/.test(getComputedStyle(element).overflowX);
  const scroller_of = element => { while (element && !scrolls(element)) element = element.parentElement; return element; };

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || /^(SCRIPT|STYLE|TITLE)$/i.test(element.tagName) || !element.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const drawn = element.closest('svg') ? [element.getBoundingClientRect()] : [...range.getClientRects()];
    texts.push({node, element, rects: drawn.filter(r => r.width > 0 && r.height > 0), scroller: scroller_of(element)});
  }

  for (const {node, rects, scroller} of texts)
    for (const rect of rects) {
      const box = scroller ? scroller.getBoundingClientRect() : null;
      if (scroller && (box.left < -slack || box.right > wide + slack)) problems.push(`${words(node)} scrolls outside the page`);
      if (!scroller && (rect.left < -slack || rect.right > wide + slack))
        problems.push(`${words(node)} is off the page: ${Math.round(rect.left)} to ${Math.round(rect.right)} of ${wide}`);
    }
  if (document.documentElement.scrollWidth > wide + slack) problems.push(`the page itself is ${document.documentElement.scrollWidth} wide`);

  for (const {node, element, rects} of texts)  // a box that hides what leaves it
    for (let at = element; at && at !== document.body; at = at.parentElement) {
      const style = getComputedStyle(at), box = at.getBoundingClientRect();
      if (!/hidden|clip/.test(style.overflowX + style.overflowY) || (at.tagName === 'text')) continue;
      if (rects.some(r => r.left < box.left - slack || r.right > box.right + slack || r.top < box.top - slack || r.bottom > box.bottom + slack))
        problems.push(`${words(node)} is cut by its ${at.tagName}`);
    }

  // Letters of two texts on each other. Boxes of lines may touch: a sixth of a line is room for accents, not for letters.
  const boxes = [];
  for (const text of texts)
    for (const rect of text.rects) {
      const part = text.scroller ? cut(rect, text.scroller.getBoundingClientRect()) : rect, room = (rect.bottom - rect.top) / 6;
      const box = {text, left: part.left + slack, right: part.right - slack, top: part.top + room, bottom: part.bottom - room};
      if (box.left < box.right && box.top < box.bottom) boxes.push(box);
    }
  boxes.sort((a, b) => a.top - b.top);
  for (let i = 0; i < boxes.length; ++i)
    for (let j = i + 1; j < boxes.length && boxes[j].top < boxes[i].bottom; ++j)
      if (boxes[i].text !== boxes[j].text && boxes[i].left < boxes[j].right && boxes[j].left < boxes[i].right)
        problems.push(`${words(boxes[i].text.node)} and ${words(boxes[j].text.node)} overlap`);

  // Contrast after WCAG 2: relative luminances of the text and of all that lies behind it.
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const known = new Map();
  const colour = text => {  // any notation of CSS -> [r, g, b, alpha]
    if (!known.has(text)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      known.set(text, [...canvas.getImageData(0, 0, 1, 1).data].map((v, i) => i < 3 ? v : v / 255));
    }
    return known.get(text);
  };
  const over = (top, below) => [0, 1, 2].map(i => top[3] * top[i] + (1 - top[3]) * below[i]).concat(1);
  const behind = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(colour(getComputedStyle(at).backgroundColor));
    return layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const luminance = rgb => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
    const v = rgb[i] / 255;
    return sum + weight * (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }, 0);
  for (const {node, element, rects} of texts) {
    if (!rects.length) continue;
    const style = getComputedStyle(element), background = behind(element);
    const ink = [...colour(element.closest('svg') ? style.fill : style.color)];
    for (let at = element; at; at = at.parentElement) ink[3] *= Number(getComputedStyle(at).opacity);
    const [a, b] = [luminance(over(ink, background)), luminance(background)].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) problems.push(`${words(node)} has a contrast of ${contrast.toFixed(2)}`);
  }
  return {texts: texts.length, problems: [...new Set(problems)]};
})()
