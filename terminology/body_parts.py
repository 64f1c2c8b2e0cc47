"""Body parts: DICOM's terms and SNOMED CT codes.

The table is DICOM CID 4031 (Common Anatomic Region) and, from CID 4 (Anatomic Region), the organs that Body Part
Examined may name; https://dicom.nema.org/medical/dicom/current/output/chtml/part16/chapter_L.html relates the two. A
test holds it to pydicom's copy of the context groups (which takes 1.5 s to import, hence this one).
SNOMED CT codes of these groups may be used without a licence through DICOM's agreement with SNOMED International.
"""

from __future__ import annotations

from typing import NamedTuple

SNOMED_CT = "http://snomed.info/sct"


class Coding(NamedTuple):
    """A code with its system's URI."""

    system: str
    code: str
    display: str


_REGIONS = """
818981001|Abdomen
818982008|Abdomen and Pelvis
7832008|Abdominal aorta
85856004|Acromioclavicular joint
23451007|Adrenal gland
70258002|Ankle joint
53505006|Anus
15825003|Aorta
86598002|Apex of Lung
91470000|Axilla
77568009|Back
28273000|Bile duct
34707002|Biliary tract
89837001|Bladder
72001000|Bone of lower limb
371195002|Bone of upper limb
12738006|Brain
76752008|Breast
955009|Bronchus
80144004|Calcaneus
69105007|Carotid Artery
122494005|Cervical spine
1217257000|Cervico-thoracic spine
71252005|Cervix
816094009|Chest
416550000|Chest and Abdomen
416775004|Chest, Abdomen and Pelvis
51299004|Clavicle
64688005|Coccyx
71854001|Colon
79741001|Common bile duct
41801008|Coronary artery
38848004|Duodenum
117590005|Ear
16953009|Elbow joint
38266002|Entire body
32849002|Esophagus
110861005|Esophagus, stomach and duodenum
66019005|Extremity
81745001|Eye
371398005|Eye region
89545001|Face
91397008|Facial bones
71341001|Femur
87342007|Fibula
7569003|Finger
56459004|Foot
14975008|Forearm
28231008|Gallbladder
85562004|Hand
69536005|Head
774007|Head and Neck
80891009|Heart
29836001|Hip
24136001|Hip joint
85050009|Humerus
34516001|Ileum
22356005|Ilium
361078006|Internal Auditory Canal
661005|Jaw region
21306003|Jejunum
64033007|Kidney
72696002|Knee
14742008|Large intestine
4596009|Larynx
10200004|Liver
303270005|Liver and biliary structure
30021000|Lower leg
61685007|Lower limb
122496007|Lumbar spine
1217253001|Lumbo-sacral spine
39607008|Lung
91609006|Mandible
59066005|Mastoid bone
70925003|Maxilla
72410000|Mediastinum
102292000|Muscle of lower limb
30608006|Muscle of upper limb
74386004|Nasal bone
45048000|Neck
417437006|Neck and Chest
416152001|Neck, Chest and Abdomen
416319003|Neck, Chest, Abdomen and Pelvis
45206002|Nose
55024004|Optic canal
363654007|Orbital structure
15497006|Ovary
15776009|Pancreas
69930009|Pancreatic duct
110621006|Pancreatic duct and bile duct systems
2095001|Paranasal sinus
45289007|Parotid gland
64234005|Patella
816092008|Pelvis
1231522001|Pelvis and lower extremities
18911002|Penis
38864007|Perineum
706342009|Phantom
41216001|Prostate
81040000|Pulmonary artery
34402009|Rectum
25990002|Renal pelvis
82849001|Retroperitoneum
113197003|Rib
1217254007|Sacro-coccygeal Spine
39723000|Sacroiliac joint
54735007|Sacrum
79601000|Scapula
20233005|Scrotum
42575006|Sella turcica
58742003|Sesamoid bones of foot
16982005|Shoulder
89546000|Skull
30315005|Small intestine
2748008|Spinal cord
421060004|Spine
78961009|Spleen
7844006|Sternoclavicular joint
56873002|Sternum
69695003|Stomach
54019009|Submandibular gland
27949001|Tarsal joint
53620006|Temporomandibular joint
40689003|Testis
68367000|Thigh
113262008|Thoracic aorta
122495006|Thoracic spine
1217256009|Thoraco-lumbar spine
76505004|Thumb
69748006|Thyroid
29707007|Toe
21974007|Tongue
44567001|Trachea
40983000|Upper arm
53120007|Upper limb
431491007|Upper urinary tract
87953007|Ureter
13648007|Urethra
35039007|Uterus
110639002|Uterus and fallopian tubes
110517009|Vertebral column and cranium
45292006|Vulva
74670003|Wrist joint
13881006|Zygoma
"""

_ALIASES = {
    # Defined terms of Annex L that are not the name itself.
    "CSPINE": "Cervical spine",
    "TSPINE": "Thoracic spine",
    "LSPINE": "Lumbar spine",
    "SSPINE": "Sacrum",
    "CTSPINE": "Cervico-thoracic spine",
    "TLSPINE": "Thoraco-lumbar spine",
    "LSSPINE": "Lumbo-sacral spine",
    "SCSPINE": "Sacro-coccygeal Spine",
    "WHOLEBODY": "Entire body",
    "ABDOMENPELVIS": "Abdomen and Pelvis",
    "CHESTABDOMEN": "Chest and Abdomen",
    "CHESTABDPELVIS": "Chest, Abdomen and Pelvis",
    "NECKCHEST": "Neck and Chest",
    "NECKCHESTABDOMEN": "Neck, Chest and Abdomen",
    "NECKCHESTABDPELV": "Neck, Chest, Abdomen and Pelvis",
    "HEADNECK": "Head and Neck",
    "LEG": "Lower leg",
    "ARM": "Upper arm",
    "PAROTID": "Parotid gland",
    "SUBMANDIBULAR": "Submandibular gland",
    "SELLA": "Sella turcica",
    "TMJOINT": "Temporomandibular joint",
    "TMJ": "Temporomandibular joint",
    "SIJOINT": "Sacroiliac joint",
    "ACJOINT": "Acromioclavicular joint",
    "SCJOINT": "Sternoclavicular joint",
    "JAW": "Jaw region",
    "ORBIT": "Orbital structure",
    "IAC": "Internal Auditory Canal",
    "MASTOID": "Mastoid bone",
    "ANKLE": "Ankle joint",
    "ELBOW": "Elbow joint",
    "WRIST": "Wrist joint",
    "ADRENAL": "Adrenal gland",
    "KIDNEYS": "Kidney",
    # What writers put there although the standard has another word.
    "THORAX": "Chest",
    "LUNGS": "Lung",
    "CXR": "Chest",
    "SINUSES": "Paranasal sinus",
    "RIBS": "Rib",
    "FINGERS": "Finger",
    "TOES": "Toe",
    "OESOPHAGUS": "Esophagus",
}


def _key(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def _table() -> dict[str, Coding]:
    table = {}
    for line in _REGIONS.strip().splitlines():
        code, display = line.split("|")
        table[_key(display)] = Coding(SNOMED_CT, code, display)
    for alias, display in _ALIASES.items():
        table[_key(alias)] = table[_key(display)]
    return table


_TABLE = _table()


def body_part_coding(text: str) -> Coding | None:
    """The SNOMED CT code of a body part as DICOM names it (``CHEST``, ``Lumbar spine``); None where it has none here."""
    return _TABLE.get(_key(text))
