/**
 * The value of --import for processes that load walla from a copy on their node.
 *
 * It is code, so that it comes with the command line and from no file that somebody may have planted. It looks whether a
 * copy is there that nobody but this user can have made or changed, and loads that; else it loads walla from where it is
 * installed. So a node that was not prestaged, and a child that starts when the copy is gone, are slower and not wrong.
 */

/**
 * Of a path: directories down to a file, no links, each of root or this user and closed to others (or with the sticky
 * bit, like /dev/shm). The user's staging directory and what is below are this user's alone.
 */
const IS_OURS = `file=>{const parts=file.split('/');return parts.every((_,depth)=>{
const stat=lstatSync(parts.slice(0,depth+1).join('/')||'/');
if(depth===parts.length-1?!stat.isFile():!stat.isDirectory())return false;
if(depth>=parts.length-4)return stat.uid===uid&&(stat.mode&0o77)===0;
return(stat.uid===uid||stat.uid===0)&&((stat.mode&0o22)===0||(stat.mode&0o1000)!==0)})}`;

/** The last words are how loader/earlier-tools.ts knows walla's own flag. */
const OWN = '//walla/stage';

/**
 * @param copies absolute directories of copies (place-copy.ts), none of them through a link; the first good one is taken
 * @param whole absolute directory of the package as it is installed
 * @returns a data: URL without spaces and quotes, so that NODE_OPTIONS can hold it
 */
export function guardedPreload(copies: readonly string[], whole: string): string {
  const code = `
const{lstatSync}=process.getBuiltinModule('fs'),nodeModule=process.getBuiltinModule('module'),uid=process.geteuid();
const isOurs=${IS_OURS};
const load=directory=>{const file=directory+'/dist/stage.cjs';nodeModule.createRequire(file)(file)};
const whole=${JSON.stringify(whole)};
let done=false;
for(const copy of ${JSON.stringify(copies)})try{
if(done||!isOurs(copy+'/dist/stage.cjs'))continue;
Object.defineProperty(nodeModule,Symbol.for('walla.package'),{value:whole,configurable:true});
load(copy);done=true}catch{}
if(!done)load(whole);${OWN}`;
  // Only of a URL's path does Node.js make the module: no # and no ?.
  const body = code
    .replaceAll('\n', '')
    .replace(/[\s"%#?\\]|[^\x20-\x7e]/gu, (text) => encodeURIComponent(text));
  return `data:text/javascript,${body}`;
}
