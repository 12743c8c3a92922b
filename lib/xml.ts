/** Makes text fit for XML, as content and as the value of an attribute. */
export function escapeXml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;" };
  // XML does not allow control characters.
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b-\u001f]/g, "").replace(/[&<>"\n]/g, (char) => entities[char] ?? char);
}
