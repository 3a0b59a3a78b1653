//! Names and texts of the demo community.

use super::pictures::Scene;

/// The texts in one language.
pub(super) struct Language {
    pub(super) bios: &'static [&'static str],
    pub(super) openings: &'static [&'static str],
    pub(super) subjects: &'static [&'static str],
    pub(super) tags: &'static [&'static str],
    pub(super) today: &'static str,
    /// Describes an image.
    pub(super) alt: fn(Scene) -> &'static str,
    pub(super) comments: &'static [&'static str],
}

/// Username, display name, and whether the user writes Korean.
pub(super) const PEOPLE: [(&str, &str, bool); 50] = [
    ("haneul", "하늘", true),
    ("ann", "Ann", false),
    ("minsu", "김민수", true),
    ("jiwoo", "지우", true),
    ("oliver", "Oliver Reed", false),
    ("seoyeon", "서연", true),
    ("maya", "Maya", false),
    ("바다소년", "바다소년", true),
    ("dohyun", "도현", true),
    ("lucas.b", "Lucas B.", false),
    ("sora", "소라", true),
    ("priya", "Priya", false),
    ("eunji", "은지", true),
    ("tom.w", "Tom W.", false),
    ("yuna", "유나", true),
    ("noah", "Noah", false),
    ("junho", "준호", true),
    ("elena", "Elena", false),
    ("제주사람", "제주사람", true),
    ("hugo", "Hugo", false),
    ("areum", "아름", true),
    ("grace", "Grace", false),
    ("taeyang", "태양", true),
    ("ivan.k", "Ivan K.", false),
    ("nari", "나리", true),
    ("zoe", "Zoe", false),
    ("hyejin", "혜진", true),
    ("liam", "Liam", false),
    ("dalbit", "달빛", true),
    ("chloe", "Chloe", false),
    ("kyungmin", "경민", true),
    ("omar", "Omar", false),
    ("sumin", "수민", true),
    ("freya", "Freya", false),
    ("byeol", "별", true),
    ("marco", "Marco", false),
    ("서울산책", "서울산책", true),
    ("ines", "Inès", false),
    ("jaehyun", "재현", true),
    ("kai", "Kai", false),
    ("boram", "보람", true),
    ("nina.s", "Nina S.", false),
    ("chaewon", "채원", true),
    ("leo", "Leo", false),
    ("mirae", "미래", true),
    ("sam.hill", "Sam Hill", false),
    ("gaeul", "가을", true),
    ("ruth", "Ruth", false),
    ("songi", "송이", true),
    ("quiet.fox", "Quiet Fox", false),
];

pub(super) const KOREAN: Language = Language {
    bios: &[
        "바다와 노을을 찍습니다 🌅",
        "서울 골목을 걷는 사람",
        "커피와 필름 카메라",
        "주말마다 산에 갑니다 ⛰️",
        "고양이 두 마리와 삽니다 🐈",
        "빵 굽는 기록",
        "여행 중, 아마도",
    ],
    openings: &[
        "오늘의",
        "드디어 만난",
        "퇴근길에 본",
        "비 온 뒤의",
        "새벽에 찍은",
        "오랜만에",
        "친구와 함께한",
    ],
    subjects: &[
        "노을이 정말 예뻤어요.",
        "한강 산책, 바람이 좋았다.",
        "가족사진관에서 찍은 사진.",
        "제주 바다 색이 이렇게 맑을 줄이야.",
        "동네 빵집 소금빵이 최고.",
        "서울숲나들이, 단풍이 한창이에요.",
        "고양이가 창가에서 졸고 있어요.",
        "북한산 정상에서 본 풍경.",
        "직접 내린 커피 한 잔.",
        "시장 골목의 국수 한 그릇.",
    ],
    tags: &[
        "#노을 #하늘",
        "#서울 #산책",
        "#제주 #바다",
        "#커피 #일상",
        "#고양이",
        "#등산 #북한산",
        "#빵 #맛집",
        "#필름사진",
        "#가을 #단풍",
        "",
    ],
    today: "#첫눈",
    alt: |scene| match scene {
        Scene::Sea => "해 질 녘의 바다와 산",
        Scene::Mountains => "안개 낀 산등성이",
        Scene::City => "불 켜진 건물이 비친 밤의 강",
        Scene::Snow => "눈 내리는 언덕과 전나무",
        Scene::Coffee => "탁자 위의 커피 한 잔",
    },
    comments: &[
        "정말 예쁘네요!",
        "여기 어디예요?",
        "저도 가 보고 싶어요",
        "색감이 너무 좋아요 😍",
        "오늘 날씨랑 딱이네요",
        "맛있겠다…",
        "사진 잘 찍으시네요",
        "다음엔 같이 가요",
        "고양이 이름이 뭐예요?",
        "응원합니다!",
    ],
};

pub(super) const ENGLISH: Language = Language {
    bios: &[
        "Mostly sky and sea 🌊",
        "Street photographer between two trains",
        "Bread, bikes and bad puns",
        "Learning Korean one sign at a time",
        "Two dogs, one garden",
        "Film only. Well, mostly.",
    ],
    openings: &[
        "Golden hour again:",
        "Finally:",
        "On the way home:",
        "After the rain:",
        "Early morning:",
        "With friends:",
        "Small things:",
    ],
    subjects: &[
        "the light over the harbour was unreal.",
        "a quiet trail and a loud river.",
        "first loaf that did not collapse.",
        "the old station, before the crowds.",
        "coffee worth getting up for.",
        "our dog met the sea for the first time.",
        "a photo walk through the old town.",
        "noodles at the market, highly recommended.",
        "the view was worth every step.",
        "a window full of autumn.",
    ],
    tags: &[
        "#sunset #sky",
        "#photography",
        "#jeju #sea",
        "#coffee",
        "#dogs",
        "#hiking",
        "#bread #baking",
        "#film",
        "#autumn",
        "#seoul #travel",
        "",
    ],
    today: "#firstsnow",
    alt: |scene| match scene {
        Scene::Sea => "The sea and hills at dusk",
        Scene::Mountains => "Mountain ridges in the fog",
        Scene::City => "Lit windows reflected in a river at night",
        Scene::Snow => "Snow falling on hills and firs",
        Scene::Coffee => "A cup of coffee on a table, from above",
    },
    comments: &[
        "Beautiful!",
        "Where is this?",
        "I need to go there.",
        "Those colours 😍",
        "Made my day.",
        "Looks delicious.",
        "Great shot!",
        "Take me with you next time.",
        "What is the dog's name?",
        "Love this.",
    ],
};

#[cfg(test)]
mod tests {
    use blegram_domain::{Bio, CommentText, DisplayName, Username};

    use super::*;

    #[test]
    fn demo_texts_are_valid() {
        for (username, display_name, _) in PEOPLE {
            let name = Username::parse(username).unwrap();
            assert!(!name.is_reserved() && DisplayName::parse(display_name).is_ok(), "{username}");
        }
        for language in [&KOREAN, &ENGLISH] {
            assert!(language.bios.iter().all(|text| Bio::parse(text).is_ok()));
            assert!(language.comments.iter().all(|text| CommentText::parse(text).is_ok()));
        }
    }
}
