import type { Words } from "./en";

const c = (count: number) => count.toLocaleString("ko");

export const ko: Words = {
  brand: "Trailmind",
  tagline: "두 시간의 브라우징을 1분 만에 이해해요.",
  skip: "본문으로 건너뛰기",
  nav: { sessions: "세션", search: "검색", account: "계정", timeline: "타임라인", map: "지도", more: "더보기", main: "주 메뉴", keys: "단축키" },
  common: {
    cancel: "취소", save: "저장", close: "닫기", retry: "다시 시도", undo: "되돌리기", redo: "다시 실행", back: "뒤로", delete: "삭제", copy: "복사", copied: "복사했어요",
    loading: "불러오는 중", slow: "평소보다 오래 걸리고 있어요. 계속 시도할게요.", untitled: "제목 없는 세션", open: "열기", more: "더 많은 작업", show: "보기", hide: "숨기기", clear: "지우기", done: "완료", rename: "이름 바꾸기", saved: "저장했어요", off: "끔", on: "켬", newTab: "새 탭에서 열려요",
  },
  auth: {
    signIn: "로그인", signUp: "회원가입", signOut: "로그아웃", email: "이메일", password: "비밀번호", newPassword: "새 비밀번호", repeat: "비밀번호 확인",
    signingIn: "로그인 중…", signingUp: "가입 중…", sending: "보내는 중…", saving: "저장 중…",
    noAccount: "처음이신가요?", haveAccount: "이미 계정이 있나요?", forgot: "비밀번호를 잊었나요?",
    forgotTitle: "비밀번호 재설정", forgotBody: "이메일 주소를 알려 주세요. 계정이 있으면 한 시간 동안 쓸 수 있는 링크를 보내 드려요.", sendLink: "링크 보내기", linkSent: "이 주소의 계정이 있다면 링크를 보냈어요. 한 시간 동안 쓸 수 있어요.",
    resetTitle: "새 비밀번호 정하기", resetDone: "비밀번호를 바꿨어요. 새 비밀번호로 로그인하세요.", resetMissing: "링크가 완전하지 않아요. 새로 요청해 주세요.",
    verifyTitle: "이메일 주소 확인", verifyDone: "주소를 확인했어요.", verifyFailed: "더 이상 쓸 수 없는 링크예요. 계정에서 다시 요청할 수 있어요.",
    google: "Google로 계속하기", googleFailed: "Google 로그인이 되지 않았어요. 다시 시도하거나 비밀번호를 사용하세요.", or: "또는",
    expired: "로그인이 만료되어 로그아웃됐어요. 로그인하면 보던 곳으로 돌아가요.",
    wrong: "이메일과 비밀번호가 맞지 않아요.", taken: "이미 이 주소로 만든 계정이 있어요. 로그인할까요?",
    emailBad: "이메일 주소가 아니에요.", passwordShort: "8자 이상 입력하세요.", passwordMissing: "비밀번호를 입력하세요.", mismatch: "두 비밀번호가 달라요.", showPassword: "비밀번호 보기", hidePassword: "비밀번호 숨기기", passwordHint: "8자 이상",
    points: ["시작을 누를 때만 기록해요", "모든 이름표에 근거 문장이 있어요", "페이지는 내 서버에만 남아요"],
  },
  status: { recording: "기록 중", paused: "일시정지", processing: "지도 그리는 중", completed: "완료", failed: "실패" },
  groups: { today: "오늘", yesterday: "어제", week: "이번 주", month: "이번 달", older: "이전" },
  sessions: {
    title: "세션", filters: (n) => (n ? `필터 (${c(n)})` : "필터"), anyStatus: "모든 상태", count: (n) => `세션 ${c(n)}개`, filter: "세션 거르기", status: "상태", all: "전체", from: "시작일", to: "종료일", domain: "사이트", keyword: "키워드", text: "제목, 요약, 하이라이트 찾기", loadMore: "더 보기", clearFilters: "필터 지우기",
    pages: (n) => `${c(n)}페이지`, highlights: (n) => `하이라이트 ${c(n)}개`, reading: (d) => `${d} 읽음`, noMap: "아직 지도가 없어요",
    none: "맞는 세션이 없어요", noneHint: "필터를 줄이거나 다른 낱말로 찾아보세요.", deleted: (t) => `“${t}” 세션을 삭제했어요`, restored: "세션을 되살렸어요", menu: (t) => `${t} 작업`, failed: "지도를 그리지 못했어요.",
  },
  first: {
    title: "첫 번째 여정을 시작해 보세요", body: "Trailmind는 읽는 동안 함께 따라가다가, 무엇에 관한 내용이었는지 지도로 그려요. 시작을 누르기 전에는 아무것도 기록하지 않아요.",
    steps: [
      ["확장 프로그램 추가", "Chrome에 Trailmind 확장 프로그램을 설치하고 이 계정으로 로그인하세요."],
      ["시작을 누르고 둘러보기", "읽고, 문장을 표시하고, 자유롭게 돌아다니세요. 은행과 메일은 처음부터 제외돼요."],
      ["중지 누르기", "몇 초 안에 타임라인과 지도가 생겨요. 모든 이름표에는 출처가 있어요."],
    ],
    trySample: "샘플 세션 재생하기", sampleHint: "자유 문서로 만든 세션이 실제 기록기를 거쳐 10초쯤 재생돼요.", playing: (a, b) => `이벤트 ${b}개 중 ${a}개 재생…`, sampleTitle: "샘플 세션", sampleFailed: "샘플이 멈췄어요. 기록된 것은 남아 있어요.",
  },
  session: {
    back: "모든 세션", edit: "제목 편집", title: "제목", duration: "전체 시간", reading: "읽은 시간", pages: "페이지", highlights: "하이라이트", receipt: "기록 내역",
    live: "기록 중이에요. 새 페이지가 저절로 나타나요.", pausedNow: "일시정지했어요. 아무것도 기록하지 않아요.", pause: "일시정지", resume: "계속", stop: "중지하고 지도 그리기", notFound: "없는 세션이에요", notFoundHint: "삭제됐거나 다른 계정의 세션일 수 있어요.",
    deletedHere: "이 세션은 삭제됐어요.", titleFailed: "제목을 저장하지 못했어요.", views: "보기", split: "나란히", divider: "타임라인과 지도의 너비", moved: (s) => `세션 상태: ${s}`,
  },
  timeline: {
    title: "타임라인", empty: "아직 페이지가 없어요", emptyHint: "읽는 대로 여기에 나타나요.", emptyDone: "이 세션에는 페이지가 없어요. 중지 전에 기록된 것이 없어요.",
    dwell: (d) => `${d} 읽음`, scroll: (p) => `${p}% 스크롤`, revisit: "다시 방문", pause: (d) => `${d} 동안 일시정지`, pauseOpen: "일시정지", gap: (d) => `${d} 동안 페이지 없음`, allTopics: "모든 주제", topicFilter: "주제", strip: "색으로 나타낸 세션 시간. 누르면 이동하고, 끌면 걸러요.", range: (a, b) => `${a} – ${b}`, offMap: "지도에 없음", openPage: (t) => `${t} 열기`, select: (t) => `지도에서 ${t} 보기`, elsewhere: "세션 밖 페이지에서 표시한 문장", filteredOut: "이 부분에는 페이지가 없어요", count: (n) => `방문 ${c(n)}회`, note: "메모", jumpTo: "시간으로 이동",
  },
  map: {
    title: "지도", tree: "나무", radial: "방사형", galaxy: "은하", outline: "개요", layout: "배치", zoomIn: "확대", zoomOut: "축소", fit: "화면에 맞추기", full: "전체 화면", exitFull: "전체 화면 끝내기", find: "지도에서 찾기", found: (a, b) => `${b}개 중 ${a}번째`, notFound: "찾지 못했어요", nextMatch: "다음 결과", legend: "주제", focus: "이 주제만 보기", unfocus: "모든 주제 보기", expand: "펼치기", collapse: "접기", expandAll: "모두 펼치기", collapseAll: "주제만 보기",
    canvas: (t, n) => `${t} 지도, 노드 ${c(n)}개. 화살표로 이동, Enter로 선택, 더하기와 빼기로 확대·축소, 0으로 맞춤. 개요 보기에 같은 내용이 글로 있어요.`,
    none: "아직 지도가 없어요", noneHint: "기록을 중지하면 지도를 그려요. 지금 바로 그릴 수도 있어요.", generate: "지도 그리기", live: "기록을 중지하면 지도를 그려요.", failed: "지도를 그리지 못했어요", failedHint: "페이지는 안전해요. 다시 시도해 보세요.", regenerate: "다시 그리기", regenerating: "지도를 다시 그리고 있어요…", empty: "그릴 내용이 없어요", emptyHint: "지도에 담을 내용이 있는 페이지가 없었어요. 제외 목록에 이유가 있어요.", unreadable: "이 지도는 보여 줄 수 없어요", unreadableHint: "이 화면이 모르는 버전으로 만든 지도예요.", no3d: "이 기기에서는 3차원을 쓸 수 없어 평면 은하로 보여요.", loading3d: "은하를 불러오는 중…", nodes: (a, b) => `주제 ${c(a)}개, 페이지 ${c(b)}개`,
    kinds: { core: "세션", topic: "주제", subtopic: "하위 주제", page: "페이지" }, newTopic: "새 주제를 찾았어요",
  },
  stages: { queued: "작업자를 기다리는 중", reading: "페이지 읽는 중", grouping: "묶는 중", naming: "주제 이름 짓는 중", labeling: "주제 이름 짓는 중", drawing: "그리는 중", saving: "저장하는 중", other: "작업 중", read: (a, b) => `${b}페이지 중 ${a}페이지 읽음`, topics: (n) => `주제 ${c(n)}개 찾음`, elapsed: (d) => `지금까지 ${d}`, title: "지도를 그리고 있어요" },
  evidence: {
    title: "근거", from: "어디에서 왔나요", none: "이 이름표에는 남은 문장이 없어요.", open: "이 문장에서 열기", openPage: "페이지 열기", why: "크기의 이유", parts: { dwell: "읽은 시간", highlights: "하이라이트", scroll: "스크롤", revisits: "다시 방문", centrality: "주제와의 거리" }, related: "관련 주제", pages: "페이지", keywords: "키워드", searches: "검색어", highlights: "하이라이트", visited: (w) => `${w} 방문`, visits: (n) => `방문 ${c(n)}회`, provider: (p, v) => `${p}(으)로 그림 · 버전 ${v}`, shares: "공통", close: "근거 닫기", byYou: "직접 지은 이름", minutes: (d, h, r) => [`${d} 읽음`, h ? `하이라이트 ${h}개` : "", r ? `다시 방문 ${r}회` : ""].filter(Boolean).join(", "),
  },
  leftOut: { title: "제외된 페이지", count: (n) => `제외 ${c(n)}개`, hint: "기록된 모든 페이지는 지도에 있거나, 이유와 함께 여기에 있어요.", none: "제외된 페이지가 없어요.", hidden: "직접 숨긴 항목", hiddenHint: "그리지 않지만 그대로 남아 있어요.", reasons: { search_results: "읽은 페이지가 아니라 검색 결과 목록이에요.", login: "로그인 페이지예요.", error: "서버가 오류 페이지로 답했어요.", empty: "본문도 제목도 없는 페이지예요.", loading: "다 열리기 전에 기록됐어요.", consent: "쿠키 안내가 페이지를 가렸어요.", captcha: "로봇 확인 페이지예요.", inbox: "메일함이나 메시지 목록이에요.", new_tab: "빈 탭이에요.", sensitive: "민감한 사이트라 제외했어요.", hidden_by_user: "직접 숨긴 페이지예요.", deleted_by_user: "직접 지도에서 뺀 페이지예요.", not_placed: "지도를 그린 제공자가 넣지 않았어요." } },
  score: { title: "점수표", hint: "모델의 추측이 아니라 기록된 페이지에서 계산했어요.", grounding: "출처가 있는 이름표", groundingHint: "페이지의 문장으로 뒷받침되는 이름표의 비율", coverage: "설명된 페이지", coverageHint: "지도에 있거나 이유와 함께 제외된 비율", attention: "지도에 담긴 관심", attentionHint: "지도에 있는 페이지를 읽은 시간의 비율", separation: "주제의 구분", separationHint: "비슷한 페이지가 같은 주제에 있는 정도", stability: "주제의 안정성", stabilityHint: "페이지 일부를 빼도 같은 주제가 나오는 정도", continuity: "이전과 같은 부분", continuityHint: "이전 버전에서 그대로 남은 비율", unknown: "알 수 없음" },
  receipt: { title: "기록 내역", hint: "서버에 도착한 것을 저장된 자료에서 센 값이에요.", seen: "도착", stored: "저장", duplicate: "중복", excluded: "제외", invalid: "잘못됨", gaps: "빠진 구간", line: (a, b, d) => `도착 ${a} · 저장 ${b} · 제외 ${d}` },
  edit: {
    refused: {
      gone: "편집하려던 항목이 더 이상 지도에 없어요.", label_empty: "이름이 비어 있어요.", already_one: "이미 하나로 합쳐진 주제예요.", unlike: "주제는 주제끼리, 하위 주제는 하위 주제끼리만 합칠 수 있어요.", only_topics_split: "주제만 나눌 수 있어요.", nothing_to_split: "나누려던 페이지가 더 이상 이 주제에 없어요.", nothing_left: "원래 주제에 아무것도 남지 않아요.", already_applied: "이미 적용한 편집이에요.", cannot_move: "그곳으로는 옮길 수 없어요.", into_itself: "주제를 자기 안으로 옮길 수 없어요.", wrong_place: "이 항목은 그곳에 둘 수 없어요.", core_stays: "중심은 가운데에 그대로 있어야 해요.", core_hidden: "중심은 숨길 수 없어요.", same_node: "서로 다른 두 항목만 연결할 수 있어요.", already_joined: "이미 연결되어 있어요.", no_connection: "이 지도에 그런 연결이 없어요.", core_deleted: "중심은 지울 수 없어요.", does_not_fit: "이 버전에는 편집을 적용할 수 없어요.", nothing_to_undo: "되돌릴 편집이 없어요.", nothing_to_redo: "다시 실행할 편집이 없어요.",
    },
    title: "편집", rename: "이름 바꾸기", merge: "합치기…", move: "옮기기…", pin: "고정", unpin: "고정 풀기", hide: "숨기기", unhide: "다시 보이기", add: "아래에 추가…", splitTitle: (a) => `“${a}” 나누기`, splitLabel: "새 주제 이름", splitParts: "옮길 항목", splitAll: "원래 주제에 하나 이상 남겨야 해요.", splitGo: "나누기", unlink: "연결 끊기…", more: "편집 더 보기", link: "연결하기…", split: "나누기…", remove: "빼기", saved: "편집을 저장했어요", undone: "되돌렸어요", redone: "다시 실행했어요", failed: "편집을 저장하지 못했어요.", choose: "주제 고르기", label: "새 이름", conflict: "그사이 지도가 바뀌었어요. 지금 모습으로 보여 드리니 다시 시도해 주세요.", drag: (a, b) => `“${a}” → “${b}” 옮기기`, dragHint: (a) => `“${a}”: 주제 위에 놓으세요`,
  },
  versions: { title: "버전", current: "현재", version: (v) => `버전 ${v}`, restore: "되살리기", restored: (v) => `버전 ${v} 상태로 되돌렸어요`, compare: "현재와 비교", same: "차이가 없어요", none: "버전이 하나뿐이에요." },
  regenerate: { title: "지도를 다시 그릴까요?", body: "편집한 내용은 새 버전에 그대로 적용돼요. 지금 버전은 버전 목록에 남아요.", free: "로컬 방식으로 비용 없이 그려요.", go: "다시 그리기", cost: (v) => `예상 비용: ${v}` },
  share: { title: "공유", body: "링크가 있는 사람은 볼 수만 있어요. 검색 엔진에는 나오지 않아요.", what: "보이는 내용", map: "지도만", pages: "지도와 페이지", highlights: "지도, 페이지, 하이라이트", expires: "만료", day: "하루 뒤", week: "일주일 뒤", month: "30일 뒤", never: "만료 없음", create: "링크 만들기", existing: "링크", revoke: "폐기", revoked: "이제 이 링크는 쓸 수 없어요.", none: "아직 링크가 없어요.", publicTitle: "공유된 세션", gone: "더 이상 쓸 수 없는 링크예요", goneHint: "폐기됐거나 만료됐어요. 보내 준 분에게 물어보세요.", made: "Trailmind로 만듦", views: (n) => `조회 ${c(n)}회` },
  export: { title: "내보내기", failed: "내보내지 못했어요.", formats: { png: "그림 (PNG)", svg: "그림 (SVG)", markdown: "마크다운", opml: "개요 (OPML)", freemind: "FreeMind (.mm)", json: "데이터 (JSON)", csv: "타임라인 (CSV)" }, plan: "현재 요금제에 없는 형식이에요." },
  search: { title: "검색", hint: "읽은 모든 것에서 찾기", placeholder: "페이지, 하이라이트, 제목, 주제", none: (q) => `“${q}”에 대한 결과가 없어요`, noneHint: "낱말의 일부로도 찾을 수 있어요. 더 짧게 입력해 보세요.", results: (n) => `결과 ${c(n)}개`, palette: "이동 또는 실행", recent: "최근 세션", actions: "작업", everywhere: (q) => `“${q}” 전체 검색`, toggleTheme: "밝게/어둡게 바꾸기", switchLanguage: "Switch to English", more: (n) => `처음 결과 ${c(n)}개`, type: "찾을 낱말을 입력하세요.", unavailable: "이 서버에서는 아직 검색을 쓸 수 없어요." },
  account: {
    title: "계정", plan: "요금제", usage: "사용량", history: "기록", settings: "설정", keys: "API 키", data: "내 데이터", disclosures: "무엇이 어디로 가나요", billing: "결제와 영수증은 결제 기능과 함께 제공돼요.", unverified: "아직 주소를 확인하지 않았어요.", verifySend: "링크 다시 보내기", verifySent: "링크를 보냈어요.",
    language: "언어", theme: "화면", light: "밝게", dark: "어둡게", system: "시스템 설정", notices: "이메일 알림", noticesHint: "지도가 준비되면 보고서를, 사용량이 많으면 알림을 보내요", excluded: "제외할 도메인", excludedHint: "한 줄에 하나씩. 브라우저가 무엇을 보내도 저장하지 않아요.", saved: "설정을 저장했어요", unlimited: "무제한", tokens: (v) => `${v} 토큰`, of: (a, b) => `${b} 중 ${a} 토큰`, resets: (d) => `${d}에 초기화`, perOperation: "작업별", current: "현재 요금제", perMonth: (p) => `월 ${p}`, tokensMonth: (n) => `월 ${n} 토큰`, tokensAny: "토큰 무제한", keptDays: (d) => `세션 ${c(d)}일 보관`, keptAlways: "삭제할 때까지 보관", atOnce: (n) => `동시에 ${c(n)}개 기록`, atOnceAny: "동시 기록 무제한", free: "무료", custom: "문의", near: "이번 달 사용량이 얼마 남지 않았어요.", over: "이번 달 사용량을 다 썼어요. 초기화될 때까지 로컬 방식으로 그려요.", noHistory: "아직 사용량이 없어요.",
    features: { export_png: "그림 (PNG)", export_svg: "그림 (SVG)", export_md: "마크다운과 개요", export_json: "데이터 (JSON, CSV)", priority_support: "우선 지원", api_access: "API 사용", team_sharing: "팀 공유", sso: "통합 로그인(SSO)", custom_ai: "직접 고른 AI 제공자" }, operations: { mindmap: "지도", mindmap_generate: "지도", summarize: "요약", tag_extraction: "키워드", label: "이름표" },
    keyName: "이름", keyCreate: "키 만들기", keyOnce: "지금 복사하세요. 한 번만 보여 드려요.", keyRevoke: "폐기", keyRevoked: "키를 폐기했어요", keyNone: "키가 없어요.", keyUsed: (d) => `${d}에 마지막 사용`, keyNever: "사용한 적 없음",
    export: "내 데이터 내보내기", exportHint: "저장된 모든 내용을 zip 파일로 받아요.", delete: "계정 삭제", deleteHint: "모든 세션, 지도, 설정을 지워요. 되돌릴 수 없어요.", deleteConfirm: "확인을 위해 이메일 주소를 입력하세요", deleteGo: "모두 삭제", deleted: "계정과 모든 내용을 삭제했어요.",
    disclosureBody: "페이지와 하이라이트는 이 서버에 저장돼요. 운영자가 제공자를 정하지 않았다면 지도는 로컬 방식으로 그리고, 정했다면 지도에 제공자 이름이 나와요. 이 화면은 외부에서 아무것도 불러오지 않아요.", password: "비밀번호 바꾸기", oldPassword: "현재 비밀번호", passwordChanged: "비밀번호를 바꿨어요", wrongPassword: "현재 비밀번호가 맞지 않아요.", absent: "이 서버에서는 아직 쓸 수 없어요.",
  },
  extension: {
    title: "확장 프로그램에 로그인할까요?", body: (e) => `시작을 누르면 Trailmind 확장 프로그램이 ${e} 계정에 기록해요. 방금 확장 프로그램에서 직접 요청했을 때만 계속하세요.`, go: "확장 프로그램 로그인", linked: "확장 프로그램에 로그인했어요", linkedHint: "도구 모음에서 열고 시작을 누르세요.", linkedToo: "확장 프로그램에도 로그인했어요.", failed: "확장 프로그램이 로그인을 받아들이지 않았어요. 확장 프로그램을 열고 다시 시도해 주세요.",
    unreachable: "확장 프로그램에 연결할 수 없어요", unreachableHint: "확장 프로그램이 설치된 브라우저에서, 확장 프로그램을 통해 이 페이지를 열어 주세요.",
  },
  disclosure: { title: "어디로 무엇을 보냈는지", hint: "이 세션에 대해 AI 제공자에게 보낸 모든 요청을 보낸 그대로 보여 드려요.", none: "서버 밖으로 나간 것이 없어요. 지도는 여기에서 그렸어요.", chars: (n) => `${n}자`, redacted: (n) => `비밀 정보 ${c(n)}개 지움`, text: "보낸 내용", instructions: "지시문", answer: "답변", kept: (d) => `내용은 ${c(d)}일 동안 보관하고, 보낸 기록은 남아요.`, gone: "내용은 더 이상 보관하지 않아요." },
  errors: {
    offline: ["연결이 없어요", "서버에 닿지 않아요. 연결을 확인해 주세요. 돌아오면 다시 시도할게요."],
    timeout: ["서버가 느려요", "제때 답하지 않았어요. 잃은 것은 없으니 잠시 뒤 다시 시도하세요."],
    bad_request: ["잘 되지 않았어요", "서버가 요청을 이해하지 못했어요."],
    signed_out: ["로그아웃됐어요", "계속하려면 다시 로그인하세요."],
    payment: ["이번 달 사용량을 다 썼어요", "다음 달에 초기화돼요. 세션은 계속 볼 수 있어요."],
    forbidden: ["권한이 없어요", "이 계정으로는 할 수 없어요."],
    missing: ["찾을 수 없어요", "삭제됐거나 옮겨졌을 수 있어요."],
    conflict: ["그사이 바뀌었어요", "새로 불러온 뒤 다시 시도하세요."],
    too_many: ["요청이 너무 많아요", "서버가 잠시 기다려 달라고 했어요."],
    unavailable: ["서버가 바빠요", "시작하거나 다시 시작하는 중이에요. 보통 몇 초면 돼요."],
    server: ["서버에 문제가 생겼어요", "내 잘못이 아니에요. 다시 시도해 보고, 계속되면 아래 번호를 알려 주세요."],
  },
  errorWait: (s) => `${s}초 뒤 다시 시도`, errorId: (id) => `요청 ${id}`, signInAgain: "로그인", seeAccount: "사용량 보기", renderTitle: "화면이 멈췄어요", renderHint: "새로 고치세요. 기록된 것은 그대로예요.", reload: "새로 고침", pageMissing: "없는 페이지예요", pageMissingHint: "주소를 잘못 입력했을 수 있어요.", goHome: "세션으로 가기",
  keys: { title: "단축키", palette: "명령 팔레트", search: "검색", help: "이 목록", move: "지도에서 이동", zoom: "확대·축소", fit: "지도 맞추기", layouts: "나무, 방사형, 은하, 개요", close: "닫기, 선택 해제", undo: "편집 되돌리기, 다시 실행", select: "선택", rename: "이름 바꾸기" },
};
