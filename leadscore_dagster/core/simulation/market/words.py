"""Word lists the market's people, firms and places are made of. All persons and firms are invented.

Not here: who gets which (advisors, firms).
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words(
    "Ada Alma Amir Anton Asa Beatrix Boris Bram Carla Cedric Clara Cyrus Dahlia Darius Della Edgar Edith "
    "Elif Emil Esme Fabian Felix Fern Fiona Gideon Greta Hana Hector Hugo Ida Imani Ingrid Ivan Jasper "
    "Joan Jonas Kira Lars Leona Linus Luca Mabel Marta Milo Nadia Nils Nora Olive Omar Orla Pablo Petra "
    "Quentin Rafael Rhea Rufus Sana Selma Silas Tessa Theo Uma Vera Viktor Wanda Wren Xenia Yusuf Zelda "
    "Zora"
)
LAST_NAMES = _words(
    "Abernon Ashgrove Bancourt Barleymow Bellweather Birchall Brackwater Caldermoor Carrowby Coldstream "
    "Copperfell Dalloway Dewhurst Dunmarrow Eastlake Elderfield Fairweald Farringate Fenwright Galloway "
    "Glasswater Greenhalgh Hallowell Harrowgate Hawksmoor Heatherby Holloway Ironmonger Jessamy Kettering "
    "Kingfisher Larkspur Linnet Lockridge Marchbanks Merriweather Millwright Moorcroft Netherby Northcote "
    "Oakhurst Ormsworth Pendrake Pennyfeather Quillon Ravenhall Redfern Ridgewell Rookwood Saltmarsh "
    "Sandiford Silverthorn Stonebridge Summerhay Tamarind Thistlewood Thornbury Underhill Vantongeren "
    "Wainscott Wetherell Whitlock Winterbourne Woodruff Yarrow Yewdale"
)
FIRM_FIRST = _words(
    "Alder Amber Anchor Ashen Aspen Beacon Birch Bluff Bramble Briar Bridge Cairn Canyon Cedar Clover "
    "Copper Coral Crest Cypress Delta Dogwood Dune Ember Falcon Fern Fjord Flint Garnet Glade Granite "
    "Harbor Hazel Heron Hickory Hollow Indigo Iron Ivory Jasper Juniper Keystone Lantern Larch Laurel "
    "Linden Maple Marble Meadow Mesa Osprey Pebble Pine Prairie Quarry Raven River Rowan Saffron Sage "
    "Slate Spruce Summit Thistle Timber Umber Valley Walnut Willow"
)
FIRM_SECOND = _words(
    "acre bank bay bend brook cliff cove creek crest dale fall fell field ford gate glen grove hall haven "
    "hill holm hurst isle keep lake land lea marsh mere mill moor mount pass peak point pond port reach "
    "ridge rise shore side spring stead stone strand ton vale view ward water way well wick wood worth "
    "yard"
)
FIRM_KIND = (
    "Wealth Management",
    "Advisors",
    "Capital Partners",
    "Financial Group",
    "Investment Counsel",
    "Private Wealth",
    "Asset Management",
    "Securities",
    "Financial Planning",
    "Family Office",
    "Retirement Advisors",
)
TITLES = (
    "Financial Advisor",
    "Wealth Advisor",
    "Senior Vice President",
    "Investment Adviser Representative",
    "Managing Director",
    "Partner",
    "Registered Representative",
    "Branch Manager",
    "Associate Advisor",
    "Founder",
    "Portfolio Manager",
    "Client Service Associate",
)
EDUCATION = (
    "Bachelor of Science",
    "Bachelor of Arts",
    "Bachelor of Business Administration",
    "Master of Business Administration",
    "Master of Science in Finance",
    "Juris Doctor",
    "Associate Degree",
    "Graduate Certificate",
)
OWNERSHIP = ("Independent", "Bank", "Broker-Dealer", "Insurance", "Private Equity")

# (metropolitan area, city, state, first three ZIP digits, % of all rows, log-odds of converting)
# The first five carry the vendor's exact strings and the shares and rates of the source documents.
METROS = (
    ("New York-Newark-Jersey City NY-NJ", "New York", "NY", 100, 3.8, -0.35),
    ("Los Angeles-Long Beach-Anaheim CA", "Los Angeles", "CA", 900, 1.5, -0.35),
    ("Chicago-Naperville-Elgin IL-IN", "Chicago", "IL", 606, 1.6, -0.05),
    ("Dallas-Fort Worth-Arlington TX", "Dallas", "TX", 752, 2.0, -0.15),
    ("Miami-Fort Lauderdale-West Palm Beach FL", "Miami", "FL", 331, 1.4, -0.4),
    ("Houston-Pasadena-The Woodlands TX", "Houston", "TX", 770, 1.3, 0.0),
    ("Washington-Arlington-Alexandria DC-VA-MD-WV", "Washington", "DC", 200, 1.3, 0.0),
    ("Philadelphia-Camden-Wilmington PA-NJ-DE-MD", "Philadelphia", "PA", 191, 1.3, 0.0),
    ("Atlanta-Sandy Springs-Roswell GA", "Atlanta", "GA", 303, 1.3, 0.0),
    ("Phoenix-Mesa-Chandler AZ", "Phoenix", "AZ", 850, 1.2, 0.0),
    ("Boston-Cambridge-Newton MA-NH", "Boston", "MA", 21, 1.3, 0.0),
    ("San Francisco-Oakland-Fremont CA", "San Francisco", "CA", 941, 1.2, 0.0),
    ("Seattle-Tacoma-Bellevue WA", "Seattle", "WA", 981, 1.1, 0.0),
    ("Minneapolis-St. Paul-Bloomington MN-WI", "Minneapolis", "MN", 554, 1.2, 0.0),
    ("San Diego-Chula Vista-Carlsbad CA", "San Diego", "CA", 921, 1.0, 0.0),
    ("Tampa-St. Petersburg-Clearwater FL", "Tampa", "FL", 336, 1.1, 0.0),
    ("Denver-Aurora-Centennial CO", "Denver", "CO", 802, 1.2, 0.0),
    ("St. Louis MO-IL", "St. Louis", "MO", 631, 1.0, 0.0),
    ("Charlotte-Concord-Gastonia NC-SC", "Charlotte", "NC", 282, 1.2, 0.0),
    ("Orlando-Kissimmee-Sanford FL", "Orlando", "FL", 328, 0.9, 0.0),
    ("Portland-Vancouver-Hillsboro OR-WA", "Portland", "OR", 972, 0.9, 0.0),
    ("Pittsburgh PA", "Pittsburgh", "PA", 152, 0.9, 0.0),
    ("Cincinnati OH-KY-IN", "Cincinnati", "OH", 452, 0.9, 0.0),
    ("Kansas City MO-KS", "Kansas City", "MO", 641, 0.9, 0.0),
    ("Columbus OH", "Columbus", "OH", 432, 0.9, 0.0),
    ("Indianapolis-Carmel-Greenwood IN", "Indianapolis", "IN", 462, 0.9, 0.0),
    ("Cleveland OH", "Cleveland", "OH", 441, 0.8, 0.0),
    ("Nashville-Davidson--Murfreesboro TN", "Nashville", "TN", 372, 0.9, 0.0),
    ("Milwaukee-Waukesha WI", "Milwaukee", "WI", 532, 0.8, 0.0),
    ("Omaha NE-IA", "Omaha", "NE", 681, 0.8, 0.0),
    ("Des Moines-West Des Moines IA", "Des Moines", "IA", 503, 0.7, 0.0),
    ("Salt Lake City-Murray UT", "Salt Lake City", "UT", 841, 0.7, 0.0),
    ("Hartford-West Hartford CT", "Hartford", "CT", 61, 0.7, 0.0),
    ("Richmond VA", "Richmond", "VA", 232, 0.7, 0.0),
    ("Boise City ID", "Boise", "ID", 837, 0.5, 0.0),
    ("Raleigh-Cary NC", "Raleigh", "NC", 276, 0.7, 0.0),
    ("Albuquerque NM", "Albuquerque", "NM", 871, 0.4, 0.0),
    ("Birmingham AL", "Birmingham", "AL", 352, 0.5, 0.0),
    ("Fargo ND-MN", "Fargo", "ND", 581, 0.3, 0.0),
    ("Madison WI", "Madison", "WI", 537, 0.5, 0.0),
)
