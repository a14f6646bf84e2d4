/** Methods that every Buffer of Node has and its types leave out: the encoders behind write() and toString(). */
interface Buffer {
  latin1Write(text: string, offset?: number): number;
  latin1Slice(start?: number, end?: number): string;
  utf8Slice(start?: number, end?: number): string;
}
