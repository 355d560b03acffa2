/** A MathML formula as one line of text: `E=mc^2`. */

const group = (text: string): string => ([...text].length > 1 ? `(${text})` : text);

export function mathText(node: Node): string {
  if (node.nodeType === 3) return (node.nodeValue ?? "").replace(/[\s\u2061-\u2064]+/gu, "");
  if (node.nodeType !== 1) return "";
  const element = node as Element;
  const name = element.localName;
  // The source of the formula, in TeX or else: a second text for machines.
  if (name === "annotation" || name === "annotation-xml") return "";
  if (name === "mtext") return element.textContent ?? "";
  const parts = [...element.childNodes].map(mathText).filter((part) => part !== "");
  const [base = "", first = "", second = ""] = parts;
  switch (name) {
    case "msup":
    case "mover":
      return `${base}^${group(first)}`;
    case "msub":
    case "munder":
      return `${base}_${group(first)}`;
    case "msubsup":
    case "munderover":
      return `${base}_${group(first)}^${group(second)}`;
    case "mfrac":
      return `${group(base)}/${group(first)}`;
    case "msqrt":
      return `√${group(parts.join(""))}`;
    case "mroot":
      return `√[${first}]${group(base)}`;
    case "mtr":
    case "mlabeledtr":
      return parts.join(" ");
    case "mtable":
      return parts.join("; ");
    default:
      return parts.join("");
  }
}
